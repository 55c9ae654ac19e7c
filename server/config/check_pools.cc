#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pool/pool.h"
#include "server/config/check.h"
#include "server/config/duration.h"
#include "server/config/label_text.h"
#include "server/config/utf8.h"

namespace objpool::server {
namespace {

constexpr std::size_t kMaxNameBytes = 63;  // as a DNS label
constexpr std::size_t kMaxLabels = 65'536;
constexpr std::size_t kMaxLabelBytes = 256;
constexpr std::size_t kMaxLabelEntries = 1024;
constexpr std::size_t kMaxLabelsOfHandle = 16;
constexpr uint64_t kMaxBufferBytes = uint64_t{1} << 30;
// Of all buffers together: half of the 2^47 bytes that a process of x86-64 or arm64 can address.
constexpr uint64_t kMaxAllBuffersBytes = uint64_t{1} << 46;
constexpr uint64_t kPageBytes = 4096;
constexpr DurationRange kTtl = {1, 7 * 86'400'000LL};
constexpr DurationRange kPause = {0, 7 * 86'400'000LL};
constexpr uint32_t kMaxWaiters = 10'000;

std::string Range(uint64_t low, uint64_t high) {
  return std::to_string(low) + " .. " + std::to_string(high);
}

bool IsPoolName(std::string_view name) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto allowed = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= kMaxNameBytes && letter(name.front()) &&
         name.back() != '-' && std::ranges::all_of(name, allowed);
}

void CheckName(const std::string& name, const std::string& path, ConfigErrors& errors) {
  if (IsPoolName(name)) return;
  errors.AddLimit(path + ".name",
                  Range(1, kMaxNameBytes) +
                      " of a-z, 0-9 and '-', beginning with a letter and not ending with '-'",
                  Quoted(name));
}

// 0 after adding to `errors`.
uint32_t CheckCount(uint64_t count, const std::string& path, ConfigErrors& errors) {
  if (count >= 1 && count <= kMaxCapacity) return static_cast<uint32_t>(count);
  errors.AddLimit(path + ".count", Range(1, kMaxCapacity), std::to_string(count));
  return 0;
}

IdsSpec CheckIds(const config::v1::PoolConfig::Ids& ids, const std::string& path,
                 ConfigErrors& errors) {
  const uint32_t count = CheckCount(ids.count(), path, errors);
  if (count == 0) return {};
  const int64_t highest_first = std::numeric_limits<int64_t>::max() - (int64_t{count} - 1);
  if (ids.first() > highest_first) {
    errors.AddLimit(path + ".first",
                    "at most " + std::to_string(highest_first) + " with a count of " +
                        std::to_string(count) + ", so that the last one is at most 2^63 - 1",
                    std::to_string(ids.first()));
  }
  return {.first = ids.first(), .count = count};
}

LabelsSpec CheckLabels(const config::v1::PoolConfig::Labels& labels, const std::string& path,
                       ConfigErrors& errors) {
  const auto count = static_cast<std::size_t>(labels.label_size());
  if (count < 1 || count > kMaxLabels) {
    errors.AddLimit(path + ".label", Range(1, kMaxLabels) + " labels", std::to_string(count));
    return {};
  }
  std::unordered_map<std::string_view, int> seen;
  for (int i = 0; i < labels.label_size(); ++i) {
    const std::string& label = labels.label(i);
    const std::string key = path + ".label[" + std::to_string(i) + "]";
    if (label.empty() || label.size() > kMaxLabelBytes) {
      errors.AddLimit(key, Range(1, kMaxLabelBytes) + " bytes",
                      std::to_string(label.size()) + " bytes: " + Quoted(label));
    } else if (!IsUtf8(label)) {
      errors.AddLimit(key, "UTF-8", Quoted(label));
    } else if (const auto [first, added] = seen.emplace(label, i); !added) {
      errors.AddLimit(key, "unlike all others",
                      Quoted(label) + ", as label[" + std::to_string(first->second) + "]");
    }
  }
  return {.labels = {labels.label().begin(), labels.label().end()}};
}

BuffersSpec CheckBuffers(const config::v1::PoolConfig::Buffers& buffers, const std::string& path,
                         ConfigErrors& errors) {
  const uint64_t size = buffers.size_bytes();
  if (size < 1 || size > kMaxBufferBytes) {
    errors.AddLimit(path + ".size_bytes", Range(1, kMaxBufferBytes), std::to_string(size));
  }
  return {.count = CheckCount(buffers.count(), path, errors), .size_bytes = size};
}

void CheckTtls(const config::v1::PoolConfig& message, const std::string& path, PoolSpec& spec,
               ConfigErrors& errors) {
  bool checked = true;
  const auto set = [&](bool given, const google::protobuf::Duration& ttl, std::string_view key,
                       uint32_t& ttl_ms) {
    if (!given) return;
    const std::optional<int64_t> ms = CheckDuration(ttl, kTtl, path + std::string(key), errors);
    checked = checked && ms;
    if (ms) ttl_ms = static_cast<uint32_t>(*ms);
  };
  set(message.has_ttl_min(), message.ttl_min(), ".ttl_min", spec.ttl_min_ms);
  set(message.has_ttl_max(), message.ttl_max(), ".ttl_max", spec.ttl_max_ms);
  set(message.has_ttl_default(), message.ttl_default(), ".ttl_default", spec.ttl_default_ms);
  if (!checked) return;
  const std::string low = FormatDurationMs(spec.ttl_min_ms);
  const std::string high = FormatDurationMs(spec.ttl_max_ms);
  if (spec.ttl_min_ms > spec.ttl_max_ms) {
    errors.AddLimit(path + ".ttl_min", "at most ttl_max, which is " + high, low);
  } else if (!message.has_ttl_default()) {
    spec.ttl_default_ms = std::clamp(spec.ttl_default_ms, spec.ttl_min_ms, spec.ttl_max_ms);
  } else if (spec.ttl_default_ms < spec.ttl_min_ms || spec.ttl_default_ms > spec.ttl_max_ms) {
    errors.AddLimit(path + ".ttl_default",
                    "within ttl_min .. ttl_max, which are " + low + " .. " + high,
                    FormatDurationMs(spec.ttl_default_ms));
  }
}

// What it knows after a restart.
void CheckDurability(const config::v1::PoolConfig& message, bool has_state_dir,
                     const std::string& path, PoolSpec& spec, ConfigErrors& errors) {
  const config::v1::Durability wanted = message.durability();
  if (!config::v1::Durability_IsValid(wanted)) {
    errors.AddLimit(path + ".durability", "VOLATILE, PROCESS or DISK", std::to_string(wanted));
  } else if (wanted != config::v1::DURABILITY_UNSPECIFIED &&
             wanted != config::v1::DURABILITY_VOLATILE && !has_state_dir) {
    errors.AddLimit(path + ".durability", "DURABILITY_VOLATILE without a state_dir",
                    config::v1::Durability_Name(wanted));
  }
  spec.durable = has_state_dir && wanted != config::v1::DURABILITY_VOLATILE;
  spec.on_disk = spec.durable && wanted == config::v1::DURABILITY_DISK;
}

// What becomes of handles between two grants.
void CheckHabits(const config::v1::PoolConfig& message, const std::string& path, PoolSpec& spec,
                 ConfigErrors& errors) {
  const auto set = [&](bool given, const google::protobuf::Duration& time, std::string_view key,
                       uint32_t& to_ms) {
    if (!given) return;
    const auto ms = CheckDuration(time, kPause, path + std::string(key), errors);
    if (ms) to_ms = static_cast<uint32_t>(*ms);
  };
  set(message.has_reuse_delay(), message.reuse_delay(), ".reuse_delay", spec.reuse_delay_ms);
  set(message.has_restart_wait(), message.restart_wait(), ".restart_wait", spec.restart_wait_ms);
  if (spec.durable && spec.restart_wait_ms != 0) {
    errors.AddLimit(path + ".restart_wait", "0s for a pool that is durable, which knows its grants",
                    FormatDurationMs(spec.restart_wait_ms));
  }
  spec.dirty_unless_returned = message.dirty_unless_returned();
  if (message.max_waiters() > kMaxWaiters) {
    errors.AddLimit(path + ".max_waiters", Range(1, kMaxWaiters),
                    std::to_string(message.max_waiters()));
  } else if (message.max_waiters() != 0) {
    spec.max_waiters = message.max_waiters();
  }
}

// In whole pages; 0 for what are no buffers.
uint64_t BufferBytes(const PoolSpec& pool) {
  const auto* const buffers = std::get_if<BuffersSpec>(&pool.kind);
  if (buffers == nullptr || buffers->size_bytes > kMaxBufferBytes) return 0;
  const uint64_t bytes = buffers->count * buffers->size_bytes;
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

// The labels of one entry.
lease::Labels CheckLabelsOf(const config::v1::HandleLabels& message, const std::string& path,
                            ConfigErrors& errors) {
  lease::Labels labels;
  const auto count = static_cast<std::size_t>(message.labels_size());
  if (count < 1 || count > kMaxLabelsOfHandle) {
    errors.AddLimit(path, Range(1, kMaxLabelsOfHandle) + " labels", std::to_string(count));
    return labels;
  }
  for (const auto& [key, value] : message.labels()) {
    const std::string at = path + "[" + Quoted(key) + "]";
    if (!IsLabelKey(key)) errors.Add(at, std::string(kLabelKeyRule) + " as its key");
    if (!IsLabelValue(value)) errors.AddLimit(at, std::string(kLabelValueRule), Quoted(value));
    labels.emplace(key, value);
  }
  return labels;
}

// Once all else is known to be right: the entries have to go together.
void CheckHandleLabels(const config::v1::PoolConfig& message, const std::string& path,
                       PoolSpec& spec, ConfigErrors& errors) {
  const auto count = static_cast<std::size_t>(message.handle_labels_size());
  if (count > kMaxLabelEntries) {
    errors.AddLimit(path + ".handle_labels", Range(0, kMaxLabelEntries) + " entries",
                    std::to_string(count));
    return;
  }
  for (const config::v1::HandleLabels& entry : message.handle_labels()) {
    const std::string at =
        path + ".handle_labels[" + std::to_string(spec.handle_labels.size()) + "].labels";
    spec.handle_labels.push_back({.first = entry.first(),
                                  .last = entry.has_last() ? entry.last() : entry.first(),
                                  .labels = CheckLabelsOf(entry, at, errors)});
  }
  std::string why;
  if (!errors.empty() || spec.handle_labels.empty()) return;
  if (!lease::HandleClasses::Make(CapacityOf(spec), spec.handle_labels, why)) {
    errors.Add(path + ".handle_labels", why);
  }
}

void CheckQuota(const config::v1::PoolConfig& message, const std::string& path, PoolSpec& spec,
                ConfigErrors& errors) {
  const config::v1::Quota& quota = message.quota_per_identity();
  const auto check = [&](std::string_view key, uint32_t most, uint32_t value) {
    if (value <= most) return;
    errors.AddLimit(path + ".quota_per_identity." + std::string(key), Range(0, most),
                    std::to_string(value));
  };
  check("handles", kMaxCapacity, quota.handles());
  check("calls_per_s", lease::Quotas::kMaxCallsPerS, quota.calls_per_s());
  spec.quota = {.handles = quota.handles(), .calls_per_s = quota.calls_per_s()};
}

}  // namespace

uint32_t CapacityOf(const PoolSpec& spec) {
  struct {
    uint32_t operator()(const IdsSpec& ids) const { return ids.count; }
    uint32_t operator()(const LabelsSpec& labels) const {
      return static_cast<uint32_t>(labels.labels.size());
    }
    uint32_t operator()(const BuffersSpec& buffers) const { return buffers.count; }
  } count;
  return std::visit(count, spec.kind);
}

PoolSpec CheckPool(const config::v1::PoolConfig& message, bool has_state_dir,
                   const std::string& path, ConfigErrors& errors) {
  PoolSpec spec;
  spec.name = message.name();
  CheckName(spec.name, path, errors);
  switch (message.kind_case()) {
    case config::v1::PoolConfig::kIds:
      spec.kind = CheckIds(message.ids(), path + ".ids", errors);
      break;
    case config::v1::PoolConfig::kLabels:
      spec.kind = CheckLabels(message.labels(), path + ".labels", errors);
      break;
    case config::v1::PoolConfig::kBuffers:
      spec.kind = CheckBuffers(message.buffers(), path + ".buffers", errors);
      break;
    case config::v1::PoolConfig::KIND_NOT_SET:
      errors.Add(path, "must have one of ids, labels and buffers, but has none");
      break;
  }
  CheckTtls(message, path, spec, errors);
  CheckDurability(message, has_state_dir, path, spec, errors);
  CheckHabits(message, path, spec, errors);
  CheckHandleLabels(message, path, spec, errors);
  CheckQuota(message, path, spec, errors);
  spec.scrub = message.scrub();
  if (spec.scrub && !message.has_buffers()) {
    errors.AddLimit(path + ".scrub", "false for what are no buffers", "true");
  }
  return spec;
}

std::vector<PoolSpec> CheckPools(
    const google::protobuf::RepeatedPtrField<config::v1::PoolConfig>& messages, bool has_state_dir,
    ConfigErrors& errors) {
  const auto count = static_cast<std::size_t>(messages.size());
  if (count < 1 || count > kMaxPools) {
    errors.AddLimit("pools", Range(1, kMaxPools) + " pools", std::to_string(count));
    return {};
  }
  std::vector<PoolSpec> pools;
  std::unordered_map<std::string_view, std::size_t> seen;
  uint64_t all_bytes = 0;
  for (const config::v1::PoolConfig& message : messages) {
    const std::string path = "pools[" + std::to_string(pools.size()) + "]";
    if (const auto [first, added] = seen.emplace(message.name(), pools.size()); !added) {
      errors.AddLimit(path + ".name", "unlike all others",
                      Quoted(message.name()) + ", as pools[" + std::to_string(first->second) + "]");
    }
    pools.push_back(CheckPool(message, has_state_dir, path, errors));
    if (all_bytes > kMaxAllBuffersBytes) continue;  // told already
    all_bytes += BufferBytes(pools.back());
    if (all_bytes > kMaxAllBuffersBytes) {
      errors.AddLimit(path + ".buffers",
                      "at most " + std::to_string(kMaxAllBuffersBytes) +
                          " bytes (2^46) together with the pools before it",
                      std::to_string(all_bytes) + " bytes");
    }
  }
  return pools;
}

}  // namespace objpool::server
