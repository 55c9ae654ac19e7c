#include "server/service/lease_service.h"

#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "server/service/fields.h"

namespace objpool::server {
namespace {

using google::rpc::Status;
using lease::Disposition;
using lease::GrantRef;
using lease::kMaxBatch;
using lease::Verdict;

constexpr std::size_t kMaxRequestIdBytes = 64;
constexpr const char* kService = "objpool.v1.LeaseService";

GrantRef ToRef(const v1::GrantRef& ref) { return {ref.handle(), ref.fence(), ref.key()}; }

// 1 .. kMaxBatch entries, each with its grant. Adds to `bad` and reads nothing beyond the limit.
template <typename Entries, typename GrantOf>
std::span<GrantRef> ReadRefs(const char* field, const Entries& entries, GrantOf grant_of,
                             std::array<GrantRef, kMaxBatch>& refs, Violations& bad) {
  const auto size = static_cast<std::size_t>(entries.size());
  if (size < 1 || size > kMaxBatch) {
    bad.Add(field, "must have 1 .. " + std::to_string(kMaxBatch) + " entries, got " +
                       std::to_string(size));
    return {};
  }
  for (std::size_t i = 0; i < size; ++i) refs[i] = grant_of(entries[static_cast<int>(i)]);
  return std::span(refs).first(size);
}

// Gives each verdict its error, and the call the error of a single one.
template <typename Reply, typename FieldOf, typename SetResult>
Status Answer(const NamedPool& pool, std::span<const GrantRef> refs,
              std::span<const Verdict> verdicts, lease::BootMs now, FieldOf field_of,
              SetResult set_result, Reply& reply) {
  for (std::size_t i = 0; i < refs.size(); ++i) {
    auto* const result = reply.add_results();
    set_result(verdicts[i], *result);
    Status error = FromVerdict(verdicts[i], {.pool = pool.spec.name,
                                             .field = field_of(i),
                                             .handle = refs[i].handle,
                                             .capacity = pool.capacity(),
                                             .now = now});
    if (error.code() == 0) continue;
    if (refs.size() == 1) return error;
    *result->mutable_error() = std::move(error);
  }
  return {};
}

// The checked numbers of a LeaseRequest.
struct Counts {
  uint32_t count;
  uint32_t min_count;
};

Counts ReadCounts(const v1::LeaseRequest& request, const NamedPool& pool, Violations& bad) {
  const uint32_t count = request.count() == 0 ? 1 : request.count();
  const uint32_t min_count = request.min_count() == 0 ? count : request.min_count();
  if (count > kMaxBatch) {
    bad.Add("count", OutOfRange(1, kMaxBatch, count));
  } else if (count > pool.capacity()) {
    bad.Add("count", "must be at most the pool's capacity " + std::to_string(pool.capacity()) +
                         ", got " + std::to_string(count));
  }
  if (min_count > count) bad.Add("min_count", OutOfRange(1, count, min_count));
  return {count, min_count};
}

// 0 .. an hour; a part of a millisecond counts as a whole one.
uint64_t MaxWaitMs(const v1::LeaseRequest& request, Violations& bad) {
  constexpr int64_t kMaxMs = 3'600'000;
  const google::protobuf::Duration& wait = request.max_wait();
  const bool valid = wait.seconds() >= 0 && wait.nanos() >= 0 && wait.nanos() < 1'000'000'000;
  const int64_t seconds = std::min<int64_t>(wait.seconds(), kMaxMs);
  const int64_t ms = (seconds * 1000) + ((int64_t{wait.nanos()} + 999'999) / 1'000'000);
  if (valid && ms <= kMaxMs) return static_cast<uint64_t>(ms);
  bad.Add("max_wait", "must be 0s .. 3600s, got " + std::to_string(wait.seconds()) + "s and " +
                          std::to_string(wait.nanos()) + "ns");
  return 0;
}

bool WantsDirty(const v1::LeaseRequest& request, Violations& bad) {
  switch (request.state()) {
    case v1::HANDLE_STATE_UNSPECIFIED:
    case v1::HANDLE_STATE_FREE:
      return false;
    case v1::HANDLE_STATE_DIRTY:
      return true;
    default:
      bad.Add("state", "must be HANDLE_STATE_FREE or HANDLE_STATE_DIRTY, got " +
                           std::to_string(request.state()));
      return false;
  }
}

// How the items of a Return come back; empty when all are clean.
std::span<const Disposition> ReadDispositions(const v1::ReturnRequest& request,
                                              std::array<Disposition, kMaxBatch>& room,
                                              Violations& bad) {
  bool all_clean = true;
  for (int i = 0; i < request.items_size() && i < static_cast<int>(kMaxBatch); ++i) {
    Disposition& to = room[static_cast<std::size_t>(i)];
    switch (request.items(i).disposition()) {
      case v1::DISPOSITION_UNSPECIFIED:
      case v1::DISPOSITION_CLEAN:
        to = Disposition::kClean;
        continue;
      case v1::DISPOSITION_DIRTY:
        to = Disposition::kDirty;
        break;
      case v1::DISPOSITION_BROKEN:
        to = Disposition::kBroken;
        break;
      default:
        bad.Add("items[" + std::to_string(i) + "].disposition",
                "must be CLEAN, DIRTY or BROKEN, got " +
                    std::to_string(request.items(i).disposition()));
    }
    all_clean = false;
  }
  return std::span(room).first(all_clean ? 0 : static_cast<std::size_t>(request.items_size()));
}

// What makes two requests the same, but for their id: all that the grants depend on.
std::string ContentOf(const LeaseWaiting::Wish& wish, const std::string& holder) {
  const lease::Waiter& want = wish.waiter;
  return wish.pool.spec.name + "/" + std::to_string(want.count) + "/" +
         std::to_string(want.min_count) + "/" + std::to_string(want.ttl_ms) +
         (want.dirty ? "/d/" : "/") + holder;
}

}  // namespace

std::optional<Status> LeaseService::Lease(const CallInfo& info, const v1::LeaseRequest& request,
                                          v1::LeaseResponse& reply) {
  Status error;
  NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  Violations bad;
  const auto [count, min_count] = ReadCounts(request, *pool, bad);
  const uint64_t ttl_ms = TtlMs(request.has_ttl() ? &request.ttl() : nullptr, *pool, bad);
  CheckHolder(request.holder(), bad);
  const uint64_t max_wait_ms = MaxWaitMs(request, bad);
  if (request.priority() >= lease::kPriorities) {
    bad.Add("priority", OutOfRange(0, lease::kPriorities - 1, request.priority()));
  }
  const bool dirty = WantsDirty(request, bad);
  if (request.request_id().size() > kMaxRequestIdBytes) {
    bad.Add("request_id", "must be at most " + std::to_string(kMaxRequestIdBytes) + " bytes, got " +
                              std::to_string(request.request_id().size()));
  }
  if (!bad.empty()) return bad.ToError();
  if (shutting_down_.load(std::memory_order_relaxed)) return ShuttingDown();
  if (pool->leases->draining()) return PoolDraining(pool->spec.name);
  if (pool->spec.durable && state_lost_.load(std::memory_order_relaxed)) return StateLost();
  if (const uint64_t left_ms = pool->leases->GraceLeftMs(info.now); left_ms != 0) {
    return RestartGrace(pool->spec.name, left_ms);
  }

  LeaseWaiting::Wish wish{.pool = *pool, .waiter = {}, .max_wait_ms = max_wait_ms, .request = {}};
  wish.waiter.count = count;
  wish.waiter.min_count = min_count;
  wish.waiter.ttl_ms = ttl_ms;
  wish.waiter.priority = request.priority();
  wish.waiter.dirty = dirty;
  if (request.request_id().empty()) return LeaseNow(info, wish, request.holder(), reply);
  wish.request =
      lease::HashRequest(secret_, request.request_id(), ContentOf(wish, request.holder()));
  wish.waiter.request = *wish.request;
  if (auto answer = LeaseAgain(info, wish, reply)) return answer;
  const lease::RequestHash hash = *wish.request;
  auto answer = LeaseNow(info, wish, request.holder(), reply);
  // Who waits is remembered, or forgotten, by what it waits for.
  if (answer && answer->code() != 0) requests_.Forget(hash);
  return answer;
}

// What was answered to this request before; empty when it was not asked before.
std::optional<Status> LeaseService::LeaseAgain(const CallInfo& info, const LeaseWaiting::Wish& wish,
                                               v1::LeaseResponse& reply) {
  using Found = lease::RequestMemory::Found;
  lease::RequestMemory::Answered answered;
  const std::string& name = wish.pool.spec.name;
  switch (requests_.Begin(*wish.request, info.now, answered)) {
    case Found::kNew:
      return std::nullopt;
    case Found::kAnswered:
      break;
    case Found::kPending:
      return RequestPending(name);
    case Found::kOther:
      return RequestIdReused();
    case Found::kFull:
      return Overloaded(name, lease::LeasePool::kMaxRetryMs);
  }
  // Those that still run, with the time that is left: the caller's clock begins now.
  std::vector<GrantRef>& grants = answered.grants;
  uint64_t left_ms = wish.waiter.ttl_ms;
  std::erase_if(grants, [&](const GrantRef& ref) {
    const auto view = wish.pool.leases->Look(static_cast<Handle>(ref.handle), info.now);
    if (!view || view->fence != ref.fence) return true;
    left_ms = std::min(left_ms, view->deadline - info.now - 1);
    return false;
  });
  if (grants.empty()) return RequestSpent(name);
  if (answered.restored && grants.size() < wish.waiter.min_count &&
      !LeaseTheRest(info, wish, grants)) {
    return PoolExhausted(name, wish.waiter.min_count,
                         wish.pool.leases->EstimateRetryMs(wish.waiter.min_count, info.now));
  }
  FillLeaseResponse(wish.pool, grants, left_ms, reply);
  return Status();
}

// The server that answered was killed before it had granted all. What is there stays the caller's.
bool LeaseService::LeaseTheRest(const CallInfo& info, const LeaseWaiting::Wish& wish,
                                std::vector<GrantRef>& grants) {
  const lease::Waiter& want = wish.waiter;
  const auto there = static_cast<uint32_t>(grants.size());
  std::array<GrantRef, kMaxBatch> refs;
  const uint32_t granted =
      wish.pool.leases->Lease(info.worker,
                              {.min_count = want.min_count - there,
                               .ttl_ms = want.ttl_ms,
                               .holder = want.holder,
                               .dirty = want.dirty,
                               .request = *wish.request},
                              info.now, std::span(refs).first(want.count - there));
  const auto more = std::span(refs).first(granted);
  grants.insert(grants.end(), more.begin(), more.end());
  if (granted != 0) requests_.Complete(*wish.request, more, info.now + want.ttl_ms + 1);
  return granted != 0;
}

std::optional<Status> LeaseService::LeaseNow(const CallInfo& info, LeaseWaiting::Wish& wish,
                                             const std::string& holder, v1::LeaseResponse& reply) {
  lease::LeasePool& pool = *wish.pool.leases;
  const lease::Waiter& want = wish.waiter;
  std::array<GrantRef, kMaxBatch> refs;
  const uint32_t granted = pool.Lease(info.worker,
                                      {.min_count = want.min_count,
                                       .ttl_ms = want.ttl_ms,
                                       .holder = holder,
                                       .dirty = want.dirty,
                                       .request = want.request},
                                      info.now, std::span(refs).first(want.count));
  if (granted != 0) {
    const auto grants = std::span(refs).first(granted);
    if (wish.request) requests_.Answer(*wish.request, grants, info.now + want.ttl_ms + 1);
    FillLeaseResponse(wish.pool, grants, want.ttl_ms, reply);
    return Status();
  }
  const std::string& name = wish.pool.spec.name;
  const uint64_t retry_ms = pool.EstimateRetryMs(want.min_count, info.now);
  if (wish.max_wait_ms == 0) {
    pool.CountExhausted(info.worker);
    return PoolExhausted(name, want.min_count, retry_ms);
  }
  wish.waiter.holder = holder;  // copied for those who wait only
  if (waiting_.Begin(info, std::move(wish))) return std::nullopt;
  return Overloaded(name, retry_ms);
}

Status LeaseService::Return(const CallInfo& info, const v1::ReturnRequest& request,
                            v1::ReturnResponse& reply) {
  Status error;
  NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  Violations bad;
  std::array<GrantRef, kMaxBatch> room;
  const auto refs = ReadRefs(
      "items", request.items(), [](const v1::ReturnItem& item) { return ToRef(item.grant()); },
      room, bad);
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (request.items(static_cast<int>(i)).has_grant()) continue;
    bad.Add("items[" + std::to_string(i) + "].grant", "is required");
    break;
  }
  std::array<Disposition, kMaxBatch> dispositions;
  const auto as = ReadDispositions(request, dispositions, bad);
  if (!bad.empty()) return bad.ToError();

  std::array<Verdict, kMaxBatch> verdicts;
  const auto out = std::span(verdicts).first(refs.size());
  pool->leases->Return(info.worker, refs, info.now, out, as);
  return Answer(
      *pool, refs, out, info.now,
      [](std::size_t i) { return "items[" + std::to_string(i) + "].grant.handle"; },
      [](const Verdict& verdict, v1::ReturnResult& result) {
        result.set_already_returned(verdict.outcome == lease::Outcome::kAlreadyReturned);
      },
      reply);
}

Status LeaseService::Renew(const CallInfo& info, const v1::RenewRequest& request,
                           v1::RenewResponse& reply) {
  Status error;
  NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  Violations bad;
  std::array<GrantRef, kMaxBatch> room;
  const auto refs = ReadRefs("grants", request.grants(), ToRef, room, bad);
  const uint64_t ttl_ms = TtlMs(request.has_ttl() ? &request.ttl() : nullptr, *pool, bad);
  if (!bad.empty()) return bad.ToError();

  std::array<Verdict, kMaxBatch> verdicts;
  const auto out = std::span(verdicts).first(refs.size());
  pool->leases->Renew(info.worker, refs, ttl_ms, info.now, out);
  SetDuration(ttl_ms, *reply.mutable_ttl());
  SetTimeFromNow(ttl_ms, *reply.mutable_expire_time());
  return Answer(
      *pool, refs, out, info.now,
      [](std::size_t i) { return "grants[" + std::to_string(i) + "].handle"; },
      [](const Verdict&, v1::RenewResult&) {}, reply);
}

void LeaseService::AddTo(rpc::MethodTable& methods, uint32_t workers) {
  methods.Add(kService, "Lease",
              TypedHandler<v1::LeaseRequest, v1::LeaseResponse>(
                  pools_.clock(), workers, std::bind_front(&LeaseService::Lease, this)));
  methods.Add(kService, "Return",
              TypedHandler<v1::ReturnRequest, v1::ReturnResponse>(
                  pools_.clock(), workers, std::bind_front(&LeaseService::Return, this)));
  methods.Add(kService, "Renew",
              TypedHandler<v1::RenewRequest, v1::RenewResponse>(
                  pools_.clock(), workers, std::bind_front(&LeaseService::Renew, this)));
  methods.Add(kService, "GetGrant",
              TypedHandler<v1::GetGrantRequest, v1::GetGrantResponse>(
                  pools_.clock(), workers, std::bind_front(&LeaseService::GetGrant, this)));
  methods.Add(kService, "CheckFence",
              TypedHandler<v1::CheckFenceRequest, v1::CheckFenceResponse>(
                  pools_.clock(), workers, std::bind_front(&LeaseService::CheckFence, this)));
  methods.Add(kService, "ListGrants",
              TypedHandler<v1::ListGrantsRequest, v1::ListGrantsResponse>(
                  pools_.clock(), workers, std::bind_front(&LeaseService::ListGrants, this)));
}

}  // namespace objpool::server
