// The questions of LeaseService: they read grants and change nothing.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "pool/base/check.h"
#include "server/service/fields.h"
#include "server/service/lease_service.h"

namespace objpool::server {
namespace {

using google::rpc::Status;
using lease::BootMs;

// Handles that one ListGrants looks at, as many as a step of the sweep. Where all are leased and
// none passes the filter, that is most of a millisecond, in which the worker's other calls wait.
constexpr uint32_t kMaxLooked = 16'384;

// What is left of a grant. The last millisecond is the server's, see DeadlineAfter in the lease
// core.
uint64_t RemainingMs(BootMs deadline, BootMs now) { return deadline - now - 1; }

void Describe(const NamedPool& pool, uint32_t handle, const lease::GrantView& view, BootMs now,
              v1::Grant& grant) {
  grant.mutable_ref()->set_handle(handle);
  grant.mutable_ref()->set_fence(view.fence);
  SetValue(pool, handle, grant);
  const uint64_t remaining_ms = RemainingMs(view.deadline, now);
  SetDuration(remaining_ms, *grant.mutable_remaining());
  SetTimeFromNow(remaining_ms, *grant.mutable_expire_time());
  SetDuration(now > view.granted_at ? now - view.granted_at : 0, *grant.mutable_held());
  grant.set_holder(view.holder);
}

v1::FenceState StateOf(lease::Outcome outcome) {
  switch (outcome) {
    case lease::Outcome::kOk:
      return v1::FENCE_STATE_RUNNING;
    case lease::Outcome::kReturned:
    case lease::Outcome::kAlreadyReturned:
      return v1::FENCE_STATE_RETURNED;
    case lease::Outcome::kExpired:
      return v1::FENCE_STATE_EXPIRED;
    case lease::Outcome::kRevoked:
      return v1::FENCE_STATE_REVOKED;
    case lease::Outcome::kStaleFence:
      return v1::FENCE_STATE_OLDER;
    case lease::Outcome::kNotHolder:
    case lease::Outcome::kBadHandle:
      return v1::FENCE_STATE_NEVER_GIVEN;
  }
  base::CheckFailed(__FILE__, __LINE__, "StateOf", "an outcome is one of those above");
}

lease::GrantFilter ReadFilter(const v1::ListGrantsRequest& request, Violations& bad) {
  lease::GrantFilter filter;
  if (request.has_holder()) {
    CheckHolder(request.holder(), bad);
    filter.holder = request.holder();
  }
  filter.held_at_least_ms = AtLeastMs("held_at_least", request.held_at_least(), bad);
  return filter;
}

}  // namespace

Status LeaseService::GetGrant(const CallInfo& info, const v1::GetGrantRequest& request,
                              v1::GetGrantResponse& reply) {
  Status error;
  const NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  Violations bad;
  CheckHandle(request.handle(), *pool, bad);
  if (!bad.empty()) return bad.ToError();
  const auto handle = static_cast<uint32_t>(request.handle());
  const auto view = pool->leases->Look(handle, info.now);
  if (!view || request.fence() > view->fence) return NoGrant(pool->spec.name, handle);
  if (request.fence() != 0 && request.fence() < view->fence) {
    return StaleFence(pool->spec.name, handle, view->fence);
  }
  Describe(*pool, handle, *view, info.now, *reply.mutable_grant());
  return {};
}

Status LeaseService::CheckFence(const CallInfo& info, const v1::CheckFenceRequest& request,
                                v1::CheckFenceResponse& reply) {
  Status error;
  const NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  Violations bad;
  CheckHandle(request.handle(), *pool, bad);
  CheckFenceGiven(request.fence(), bad);
  if (!bad.empty()) return bad.ToError();
  const lease::Verdict verdict =
      pool->leases->Check(static_cast<uint32_t>(request.handle()), request.fence(), info.now);
  reply.set_state(StateOf(verdict.outcome));
  reply.set_current_fence(verdict.current_fence);
  if (verdict.outcome == lease::Outcome::kOk) {
    const uint64_t remaining_ms = RemainingMs(verdict.deadline, info.now);
    SetDuration(remaining_ms, *reply.mutable_remaining());
    SetTimeFromNow(remaining_ms, *reply.mutable_expire_time());
  } else if (verdict.ended_at != 0) {
    // Another worker may have read the clock later than this one.
    SetDuration(info.now > verdict.ended_at ? info.now - verdict.ended_at : 0,
                *reply.mutable_ended_ago());
  }
  return {};
}

Status LeaseService::ListGrants(const CallInfo& info, const v1::ListGrantsRequest& request,
                                v1::ListGrantsResponse& reply) {
  Status error;
  const NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  Violations bad;
  const uint32_t size = PageSize(request.page_size(), bad);
  const uint32_t first = FirstOfPage(request.page_token(), *pool, bad);
  const lease::GrantFilter filter = ReadFilter(request, bad);
  if (!bad.empty()) return bad.ToError();

  std::vector<lease::LeaseTable::Listed> found;
  const Share range = {first, std::min(pool->capacity(), first + kMaxLooked)};
  const uint32_t next = pool->leases->List(range, filter, info.now, size, found);
  for (const auto& [handle, grant] : found) {
    Describe(*pool, handle, grant, info.now, *reply.add_grants());
  }
  if (next < pool->capacity()) reply.set_next_page_token(std::to_string(next));
  return {};
}

}  // namespace objpool::server
