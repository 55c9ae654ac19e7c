#include "server/service/lease_service.h"

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "server/lease/batch_room.h"
#include "server/service/fields.h"
#include "server/service/identity.h"
#include "server/service/lease_request.h"
#include "server/service/plain_calls.h"

namespace objpool::server {
namespace {

using google::rpc::Status;
using lease::BatchRoom;
using lease::Disposition;
using lease::GrantRef;
using lease::kMaxBatch;
using lease::Verdict;
using settings::Method;

constexpr const char* kLeaseService = "objpool.v1.LeaseService";

GrantRef ToRef(const v1::GrantRef& ref) { return {ref.handle(), ref.fence(), ref.key()}; }

// 1 .. kMaxBatch entries, each with its grant. Adds to `bad` and reads nothing beyond the limit.
template <typename Entries, typename GrantOf>
std::span<GrantRef> ReadRefs(const char* field, const Entries& entries, GrantOf grant_of,
                             BatchRoom<GrantRef>& room, Violations& bad) {
  const auto size = static_cast<std::size_t>(entries.size());
  if (size < 1 || size > kMaxBatch) {
    bad.Add(field, "must have 1 .. " + std::to_string(kMaxBatch) + " entries, got " +
                       std::to_string(size));
    return {};
  }
  const auto refs = room.First(size);
  for (std::size_t i = 0; i < size; ++i) refs[i] = grant_of(entries[static_cast<int>(i)]);
  return refs;
}

// Gives each verdict its error, and the call the error of a single one.
template <typename Reply, typename FieldOf, typename SetResult>
Status Answer(const NamedPool& pool, std::span<const GrantRef> refs,
              std::span<const Verdict> verdicts, lease::BootMs now, FieldOf field_of,
              SetResult set_result, Reply& reply) {
  for (std::size_t i = 0; i < refs.size(); ++i) {
    auto* const result = reply.add_results();
    set_result(verdicts[i], *result);
    if (verdicts[i].outcome == lease::Outcome::kOk) [[likely]] {
      continue;
    }
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

// How the items of a Return come back; empty when all are clean.
std::span<const Disposition> ReadDispositions(const v1::ReturnRequest& request,
                                              BatchRoom<Disposition>& room, Violations& bad) {
  bool all_clean = true;
  const auto dispositions =
      room.First(std::min<std::size_t>(static_cast<std::size_t>(request.items_size()), kMaxBatch));
  for (int i = 0; i < static_cast<int>(dispositions.size()); ++i) {
    Disposition& to = dispositions[static_cast<std::size_t>(i)];
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
  return dispositions.first(all_clean ? 0 : dispositions.size());
}

}  // namespace

std::optional<Status> LeaseService::Lease(const CallInfo& info, const v1::LeaseRequest& request,
                                          v1::LeaseResponse& reply) {
  Status error;
  NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  LeaseWaiting::Wish wish{.pool = *pool, .waiter = {}, .max_wait_ms = 0, .request = {}};
  Violations bad;
  ReadLease(request, wish, bad);
  if (!bad.empty()) return bad.ToError();
  if (auto refusal = RefuseAll(*pool, info.now)) return refusal;

  std::optional<lease::RequestHash> hash;
  if (!request.request_id().empty()) {
    hash = lease::HashRequest(secret_, request.request_id(), ContentOf(wish, request.holder()));
    wish.request = hash;
    wish.waiter.request = *hash;
    if (auto answer = LeaseAgain(info, wish, reply)) return answer;
  }
  BatchRoom<GrantRef> room;
  const auto refs = room.First(wish.waiter.count);
  const uint64_t ttl_ms = wish.waiter.ttl_ms;
  uint32_t granted = 0;
  auto error_now = LeaseNow(info, wish, request.holder(), refs, granted);
  // Who waits is remembered, or forgotten, by what it waits for.
  if (hash && error_now) requests_.Forget(*hash);
  if (error_now || granted == 0) return error_now;
  FillLeaseResponse(*pool, refs.first(granted), ttl_ms, reply);
  return Status();
}

std::optional<Status> LeaseService::LeasePlain(const CallInfo& info, const PlainLease& request,
                                               BatchRoom<GrantRef>& room, PlainGrants& grants) {
  grants.pool = pools_.Find(request.pool);
  if (grants.pool == nullptr) return NoPool("pool", request.pool);
  NamedPool& pool = *grants.pool;
  Violations bad;
  LeaseWaiting::Wish wish{.pool = pool, .waiter = {}, .max_wait_ms = 0, .request = {}};
  ReadPlain(request, wish, bad);
  if (!bad.empty()) return bad.ToError();
  if (auto refusal = RefuseAll(pool, info.now)) return refusal;
  const auto refs = room.First(request.count);
  uint32_t granted = 0;
  grants.refs = refs;
  grants.ttl_ms = wish.waiter.ttl_ms;
  return LeaseNow(info, wish, request.holder, refs, granted);  // it cannot wait
}

// Why nobody gets anything of the pool just now.
std::optional<Status> LeaseService::RefuseAll(const NamedPool& pool, lease::BootMs now) const {
  if (shutting_down_.load(std::memory_order_relaxed)) return ShuttingDown();
  if (pool.leases->draining()) return PoolDraining(pool.spec.name);
  if (pool.spec.durable && state_lost_.load(std::memory_order_relaxed)) return StateLost();
  if (pool.spec.on_disk && disk_.failed()) return DiskFailed(disk_.why());
  if (const uint64_t left_ms = pool.leases->GraceLeftMs(now); left_ms != 0) {
    return RestartGrace(pool.spec.name, left_ms);
  }
  return std::nullopt;
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
  // The first answer may still be waiting for the disk.
  if (info.ticket != nullptr) *info.ticket = disk_.TicketFor(wish.pool);
  FillLeaseResponse(wish.pool, grants, left_ms, reply);
  return Status();
}

// The server that answered was killed before it had granted all. What is there stays the caller's.
bool LeaseService::LeaseTheRest(const CallInfo& info, const LeaseWaiting::Wish& wish,
                                std::vector<GrantRef>& grants) {
  const lease::Waiter& want = wish.waiter;
  const auto there = static_cast<uint32_t>(grants.size());
  BatchRoom<GrantRef> room;
  const auto refs = room.First(want.count - there);
  const uint32_t granted = wish.pool.leases->Lease(info.worker,
                                                   {.min_count = want.min_count - there,
                                                    .ttl_ms = want.ttl_ms,
                                                    .holder = want.holder,
                                                    .dirty = want.dirty,
                                                    .request = *wish.request,
                                                    .classes = want.classes,
                                                    .near_node = want.near_node},
                                                   info.now, refs);
  const auto more = refs.first(granted);
  grants.insert(grants.end(), more.begin(), more.end());
  if (granted != 0) requests_.Complete(*wish.request, more, info.now + want.ttl_ms + 1);
  return granted != 0;
}

// Within the quota of who asks: what fits of it is reserved.
std::optional<Status> LeaseService::Admit(const CallInfo& info, LeaseWaiting::Wish& wish) const {
  lease::Quotas& quotas = wish.pool.leases->quotas();
  if (!info.quota && !quotas.limited()) return std::nullopt;
  lease::Waiter& want = wish.waiter;
  const std::string identity = IdentityOf(info);
  const lease::Quotas::Admission admission = quotas.Admit(
      HashIdentity(secret_, identity), want.min_count, want.count, info.now, info.quota);
  if (admission.count != 0) {
    want.count = admission.count;
    want.tenant = admission.tenant;
    return std::nullopt;
  }
  wish.pool.leases->CountOverQuota(info.worker);
  return QuotaExceeded({.pool = wish.pool.spec.name,
                        .identity = identity,
                        .limits = info.quota.value_or(quotas.limits()),
                        .wanted = want.min_count,
                        .has = admission.has,
                        .retry_ms = admission.retry_ms});
}

// Grants as many as it says; where that is none, and there is no error, it has begun to wait.
std::optional<Status> LeaseService::LeaseNow(const CallInfo& info, LeaseWaiting::Wish& wish,
                                             std::string_view holder, std::span<GrantRef> room,
                                             uint32_t& granted) {
  if (auto refusal = Admit(info, wish)) return refusal;
  lease::LeasePool& pool = *wish.pool.leases;
  const lease::Waiter& want = wish.waiter;
  const auto refs = room.first(want.count);  // a quota may allow fewer than there is room for
  granted = pool.Lease(info.worker,
                       {.min_count = want.min_count,
                        .ttl_ms = want.ttl_ms,
                        .holder = holder,
                        .dirty = want.dirty,
                        .request = want.request,
                        .classes = want.classes,
                        .near_node = want.near_node,
                        .tenant = want.tenant},
                       info.now, refs);
  const lease::Tenant tenant = want.tenant;
  const uint32_t not_granted = want.count - granted;
  if (granted != 0) {
    pool.quotas().Release(tenant, not_granted);
    if (info.ticket != nullptr) *info.ticket = disk_.TicketFor(wish.pool);
    const auto grants = refs.first(granted);
    if (wish.request) requests_.Answer(*wish.request, grants, info.now + want.ttl_ms + 1);
    return std::nullopt;
  }
  const std::string& name = wish.pool.spec.name;
  const uint64_t retry_ms = pool.EstimateRetryMs(want.min_count, info.now);
  if (wish.max_wait_ms == 0) {
    pool.quotas().Release(tenant, not_granted);
    pool.CountExhausted(info.worker);
    return PoolExhausted(name, want.min_count, retry_ms);
  }
  wish.waiter.holder = holder;  // copied for those who wait only
  if (waiting_.Begin(info, std::move(wish))) return std::nullopt;
  pool.quotas().Release(tenant, not_granted);
  return Overloaded(name, retry_ms);
}

// Renewals and returns count, and are not refused.
void LeaseService::CountCall(const CallInfo& info, const NamedPool& pool) const {
  lease::Quotas& quotas = pool.leases->quotas();
  if (info.quota.value_or(quotas.limits()).calls_per_s == 0) return;
  quotas.CountCall(HashIdentity(secret_, IdentityOf(info)), info.now, info.quota);
}

Status LeaseService::Return(const CallInfo& info, const v1::ReturnRequest& request,
                            v1::ReturnResponse& reply) {
  Status error;
  NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  Violations bad;
  BatchRoom<GrantRef> room;
  const auto refs = ReadRefs(
      "items", request.items(), [](const v1::ReturnItem& item) { return ToRef(item.grant()); },
      room, bad);
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (request.items(static_cast<int>(i)).has_grant()) continue;
    bad.Add("items[" + std::to_string(i) + "].grant", "is required");
    break;
  }
  BatchRoom<Disposition> dispositions;
  const auto as = ReadDispositions(request, dispositions, bad);
  if (!bad.empty()) return bad.ToError();

  CountCall(info, *pool);
  BatchRoom<Verdict> verdicts;
  const auto out = verdicts.First(refs.size());
  pool->leases->Return(info.worker, refs, info.now, out, as);
  return AnswerReturn(*pool, refs, out, info.now, reply);
}

Status LeaseService::AnswerReturn(const NamedPool& pool, std::span<const GrantRef> refs,
                                  std::span<const Verdict> verdicts, lease::BootMs now,
                                  v1::ReturnResponse& reply) {
  return Answer(
      pool, refs, verdicts, now,
      [](std::size_t i) { return "items[" + std::to_string(i) + "].grant.handle"; },
      [](const Verdict& verdict, v1::ReturnResult& result) {
        result.set_already_returned(verdict.outcome == lease::Outcome::kAlreadyReturned);
      },
      reply);
}

std::optional<Status> LeaseService::ReturnPlain(const CallInfo& info, const PlainReturn& request,
                                                BatchRoom<Verdict>& room, PlainEnds& ends) {
  ends.pool = pools_.Find(request.pool);
  if (ends.pool == nullptr) return NoPool("pool", request.pool);
  CountCall(info, *ends.pool);
  const auto verdicts = room.First(request.refs.size());
  ends.pool->leases->Return(info.worker, request.refs, info.now, verdicts, {});
  ends.verdicts = verdicts;
  return std::nullopt;
}

Status LeaseService::Renew(const CallInfo& info, const v1::RenewRequest& request,
                           v1::RenewResponse& reply) {
  Status error;
  NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  Violations bad;
  BatchRoom<GrantRef> room;
  const auto refs = ReadRefs("grants", request.grants(), ToRef, room, bad);
  const uint64_t ttl_ms = TtlMs(request.has_ttl() ? &request.ttl() : nullptr, *pool, bad);
  if (!bad.empty()) return bad.ToError();
  if (pool->spec.on_disk && disk_.failed()) return DiskFailed(disk_.why());

  CountCall(info, *pool);
  BatchRoom<Verdict> verdicts;
  const auto out = verdicts.First(refs.size());
  pool->leases->Renew(info.worker, refs, ttl_ms, info.now, out);
  if (info.ticket != nullptr) *info.ticket = disk_.TicketFor(*pool);
  SetDuration(ttl_ms, *reply.mutable_ttl());
  SetTimeFromNow(ttl_ms, *reply.mutable_expire_time());
  return Answer(
      *pool, refs, out, info.now,
      [](std::size_t i) { return "grants[" + std::to_string(i) + "].handle"; },
      [](const Verdict&, v1::RenewResult&) {}, reply);
}

void LeaseService::AddTo(rpc::MethodTable& methods, uint32_t workers, Gate& gate) {
  // The two that are made most, without messages where they are plain.
  auto plain = std::make_shared<PlainCalls>(*this, pools_.clock(), workers, gate);
  auto lease = TypedHandler<v1::LeaseRequest, v1::LeaseResponse>(
      Door{gate, Method::kLease}, pools_.clock(), workers,
      std::bind_front(&LeaseService::Lease, this), &disk_);
  methods.Add(kLeaseService, "Lease", [plain, lease = std::move(lease)](rpc::UnaryCall& call) {
    if (!plain->Lease(call)) lease(call);
  });
  auto give_back = TypedHandler<v1::ReturnRequest, v1::ReturnResponse>(
      Door{gate, Method::kReturn}, pools_.clock(), workers,
      std::bind_front(&LeaseService::Return, this));
  methods.Add(kLeaseService, "Return",
              [plain, give_back = std::move(give_back)](rpc::UnaryCall& call) {
                if (!plain->Return(call)) give_back(call);
              });
  methods.Add(kLeaseService, "Renew",
              TypedHandler<v1::RenewRequest, v1::RenewResponse>(
                  Door{gate, Method::kRenew}, pools_.clock(), workers,
                  std::bind_front(&LeaseService::Renew, this), &disk_));
  methods.Add(kLeaseService, "GetGrant",
              TypedHandler<v1::GetGrantRequest, v1::GetGrantResponse>(
                  Door{gate, Method::kGetGrant}, pools_.clock(), workers,
                  std::bind_front(&LeaseService::GetGrant, this)));
  methods.Add(kLeaseService, "CheckFence",
              TypedHandler<v1::CheckFenceRequest, v1::CheckFenceResponse>(
                  Door{gate, Method::kCheckFence}, pools_.clock(), workers,
                  std::bind_front(&LeaseService::CheckFence, this)));
  methods.Add(kLeaseService, "ListGrants",
              TypedHandler<v1::ListGrantsRequest, v1::ListGrantsResponse>(
                  Door{gate, Method::kListGrants}, pools_.clock(), workers,
                  std::bind_front(&LeaseService::ListGrants, this)));
}

}  // namespace objpool::server
