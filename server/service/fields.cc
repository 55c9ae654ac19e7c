#include "server/service/fields.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string>
#include <system_error>
#include <variant>

#include "server/lease/lease_table.h"

namespace objpool::server {
namespace {

std::string DurationText(const google::protobuf::Duration& duration) {
  return "{seconds: " + std::to_string(duration.seconds()) +
         ", nanos: " + std::to_string(duration.nanos()) + "}";
}

bool IsValid(const google::protobuf::Duration& time) {
  return time.nanos() >= 0 && time.nanos() < 1'000'000'000 && time.seconds() >= 0;
}

// Rounded up, and more than `max_seconds` as one second more.
int64_t CeilMs(const google::protobuf::Duration& time, int64_t max_seconds) {
  const int64_t seconds = std::clamp<int64_t>(time.seconds(), 0, max_seconds + 1);
  return (seconds * 1000) + ((int64_t{time.nanos()} + 999'999) / 1'000'000);
}

}  // namespace

NamedPool* FindPool(PoolSet& pools, std::string_view field, std::string_view name,
                    google::rpc::Status& error) {
  NamedPool* const pool = pools.Find(name);
  if (pool == nullptr) error = NoPool(field, name);
  return pool;
}

google::rpc::Status NoPool(std::string_view field, std::string_view name) {
  if (!name.empty()) return PoolUnknown(name);
  Violations bad;
  bad.Add(std::string(field), "is required");
  return bad.ToError();
}

uint64_t TtlMs(const google::protobuf::Duration* ttl, const NamedPool& pool, Violations& bad) {
  const uint32_t usual = pool.ttl_default_ms.load(std::memory_order_relaxed);
  if (ttl == nullptr) return usual;
  const uint32_t low = pool.ttl_min_ms.load(std::memory_order_relaxed);
  const uint32_t high = pool.ttl_max_ms.load(std::memory_order_relaxed);
  constexpr int64_t kMaxSeconds = static_cast<int64_t>(lease::kMaxTtlMs) / 1000;
  const int64_t ms = CeilMs(*ttl, kMaxSeconds);
  if (!IsValid(*ttl) || ms < low || ms > high) {
    bad.Add("ttl", "must be " + std::to_string(low) + " ms .. " + std::to_string(high) +
                       " ms, got " + DurationText(*ttl));
    return usual;
  }
  return static_cast<uint64_t>(ms);
}

uint64_t AtLeastMs(const char* field, const google::protobuf::Duration& time, Violations& bad) {
  if (IsValid(time)) {
    return static_cast<uint64_t>(CeilMs(time, lease::LeaseWord::kMaxTime / 1000));
  }
  bad.Add(field, "must be 0 ms or more, got " + DurationText(time));
  return 0;
}

uint64_t WithinMs(const char* field, const google::protobuf::Duration& time, uint64_t low_ms,
                  uint64_t high_ms, Violations& bad) {
  const auto ms = static_cast<uint64_t>(CeilMs(time, static_cast<int64_t>(high_ms) / 1000));
  if (IsValid(time) && ms >= low_ms && ms <= high_ms) return ms;
  bad.Add(field, "must be " + std::to_string(low_ms) + " ms .. " + std::to_string(high_ms) +
                     " ms, got " + DurationText(time));
  return low_ms;
}

void CheckHandle(uint64_t handle, const NamedPool& pool, Violations& bad) {
  if (handle < pool.capacity()) return;
  bad.Add("handle", OutOfRange(0, pool.capacity() - 1, handle));
}

void CheckFenceGiven(uint64_t fence, Violations& bad) {
  if (fence == 0) bad.Add("fence", "is required");
}

uint32_t PageSize(uint32_t asked, Violations& bad) {
  constexpr uint32_t kDefaultPageSize = 100;
  if (asked > kMaxPageSize) bad.Add("page_size", OutOfRange(0, kMaxPageSize, asked));
  return asked == 0 ? kDefaultPageSize : asked;
}

uint32_t FirstOfPage(const std::string& token, const NamedPool& pool, Violations& bad) {
  if (token.empty()) return 0;
  uint32_t handle = 0;
  const char* const end = token.data() + token.size();
  const auto [stop, error] = std::from_chars(token.data(), end, handle);
  if (error == std::errc() && stop == end && handle > 0 && handle < pool.capacity() &&
      token == std::to_string(handle)) {
    return handle;
  }
  constexpr std::size_t kShownBytes = 16;
  bad.Add("page_token",
          "must be a next_page_token of this pool, got " +
              (token.size() <= kShownBytes ? '"' + token + '"'
                                           : std::to_string(token.size()) + " bytes"));
  return 0;
}

void CheckHolder(std::string_view holder, Violations& bad) {
  if (holder.size() > lease::kMaxHolderBytes) {
    bad.Add("holder", "must be at most " + std::to_string(lease::kMaxHolderBytes) + " bytes, got " +
                          std::to_string(holder.size()));
  }
  if (std::ranges::any_of(holder, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; })) {
    bad.Add("holder", "must not contain control characters");
  }
}

void SetDuration(uint64_t ms, google::protobuf::Duration& duration) {
  duration.set_seconds(static_cast<int64_t>(ms / 1000));
  duration.set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
}

void SetTimeFromNow(uint64_t ms, google::protobuf::Timestamp& time) {
  const int64_t then = TimesFromNow(ms).expire_ns;
  time.set_seconds(then / 1'000'000'000);
  time.set_nanos(static_cast<int32_t>(then % 1'000'000'000));
}

GrantTimes TimesFromNow(uint64_t ttl_ms) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {.ttl_ms = ttl_ms,
          .expire_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() +
                       (static_cast<int64_t>(ttl_ms) * 1'000'000)};
}

std::optional<int64_t> FirstPlainId(const NamedPool& pool) {
  const auto* const ids = std::get_if<IdsSpec>(&pool.spec.kind);
  const lease::HandleClasses& classes = pool.leases->classes();
  if (ids == nullptr || classes.count() != 1 || !classes.LabelsOf(0).empty()) return std::nullopt;
  return ids->first;
}

void SetValue(const NamedPool& pool, uint32_t handle, v1::Grant& grant) {
  if (const auto* const ids = std::get_if<IdsSpec>(&pool.spec.kind)) {
    grant.set_id(ids->first + handle);
  } else if (const auto* const labels = std::get_if<LabelsSpec>(&pool.spec.kind)) {
    grant.set_label(labels->labels[handle]);
  } else {
    grant.mutable_buffer()->set_size_bytes(pool.memory->size_bytes());
    grant.mutable_buffer()->set_numa_node(pool.memory->node(handle));
  }
  SetLabels(pool, handle, grant);
}

}  // namespace objpool::server
