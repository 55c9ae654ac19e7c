// PoolService: single handles, and whether all of them are there.
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pool/base/check.h"
#include "server/service/fields.h"
#include "server/service/pool_service.h"

namespace objpool::server {
namespace {

using google::rpc::Status;
using lease::LeasePool;
using settings::Method;

constexpr uint32_t kMaxLooked = 16'384;  // as ListGrants
// Looks of an audit: differences of handles on their way are gone at the next one.
constexpr uint32_t kMaxLooks = 20;

v1::HandleState StateOf(const lease::HandleView& view) {
  if (view.leased) return v1::HANDLE_STATE_LEASED;
  switch (view.place) {
    case lease::Place::kFree:
      return v1::HANDLE_STATE_FREE;
    case lease::Place::kDirty:
      return v1::HANDLE_STATE_DIRTY;
    case lease::Place::kResting:
      return v1::HANDLE_STATE_RESTING;
    case lease::Place::kQuarantined:
      return v1::HANDLE_STATE_QUARANTINED;
  }
  base::CheckFailed(__FILE__, __LINE__, "StateOf", "a place is one of those above");
}

void DescribeHandle(const NamedPool& pool, Handle handle, v1::PoolHandle& to) {
  const lease::HandleView view = pool.leases->See(handle);
  to.set_handle(handle);
  if (const auto* const ids = std::get_if<IdsSpec>(&pool.spec.kind)) {
    to.set_id(ids->first + handle);
  } else if (const auto* const labels = std::get_if<LabelsSpec>(&pool.spec.kind)) {
    to.set_label(labels->labels[handle]);
  }
  to.set_state(StateOf(view));
  to.set_for_cleaning(view.for_cleaning);
  to.set_to_be_quarantined(view.leased && pool.leases->IsCondemned(handle));
  to.set_fence(view.fence);
  SetLabels(pool, handle, to);
}

// The pool and the handle that a request names; null, with the error.
template <typename Request>
NamedPool* FindHandle(PoolSet& pools, const Request& request, Status& error) {
  NamedPool* const pool = FindPool(pools, "pool", request.pool(), error);
  if (pool == nullptr) return nullptr;
  Violations bad;
  CheckHandle(request.handle(), *pool, bad);
  if (bad.empty()) return pool;
  error = bad.ToError();
  return nullptr;
}

void SetCounts(const LeasePool::Census& census, v1::HandleCounts& to) {
  to.set_free(census.free);
  to.set_leased(census.leased);
  to.set_dirty(census.dirty);
  to.set_resting(census.resting);
  to.set_quarantined(census.quarantined);
}

void AddDifference(const char* what, uint64_t recounted, uint64_t counted,
                   v1::AuditPoolResponse& reply) {
  if (recounted == counted) return;
  reply.add_differences("by their records " + std::to_string(recounted) + " handles are " + what +
                        ", but " + std::to_string(counted) + " were counted");
}

void Audit(const NamedPool& pool, v1::AuditPoolResponse& reply) {
  LeasePool::Census recounted;
  LeasePool::Census counted;
  uint32_t looks = 0;
  do {
    counted = pool.leases->Counted();
    recounted = pool.leases->Recount();
    ++looks;
  } while (recounted != counted && looks < kMaxLooks);
  reply.set_capacity(pool.capacity());
  reply.set_looks(looks);
  reply.set_consistent(recounted == counted);
  SetCounts(recounted, *reply.mutable_recounted());
  SetCounts(counted, *reply.mutable_counted());
  AddDifference("free", recounted.free, counted.free, reply);
  AddDifference("leased", recounted.leased, counted.leased, reply);
  AddDifference("dirty", recounted.dirty, counted.dirty, reply);
  AddDifference("resting", recounted.resting, counted.resting, reply);
  AddDifference("quarantined", recounted.quarantined, counted.quarantined, reply);
}

}  // namespace

Status PoolService::GetHandle(const CallInfo& /*info*/, const v1::GetHandleRequest& request,
                              v1::GetHandleResponse& reply) {
  Status error;
  const NamedPool* const pool = FindHandle(pools_, request, error);
  if (pool == nullptr) return error;
  DescribeHandle(*pool, static_cast<Handle>(request.handle()), *reply.mutable_handle());
  return {};
}

Status PoolService::ListHandles(const CallInfo& /*info*/, const v1::ListHandlesRequest& request,
                                v1::ListHandlesResponse& reply) {
  Status error;
  const NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  Violations bad;
  const uint32_t size = PageSize(request.page_size(), bad);
  if (!v1::HandleState_IsValid(request.state())) {
    bad.Add("state", "must be a HandleState, got " + std::to_string(request.state()));
  }
  Handle handle = FirstOfPage(request.page_token(), *pool, bad);
  if (!bad.empty()) return bad.ToError();
  const Handle last = std::min(pool->capacity(), handle + kMaxLooked);
  for (; handle < last && static_cast<uint32_t>(reply.handles_size()) < size; ++handle) {
    if (request.state() != v1::HANDLE_STATE_UNSPECIFIED &&
        StateOf(pool->leases->See(handle)) != request.state()) {
      continue;
    }
    DescribeHandle(*pool, handle, *reply.add_handles());
  }
  if (handle < pool->capacity()) reply.set_next_page_token(std::to_string(handle));
  return {};
}

Status PoolService::QuarantineHandle(const CallInfo& info,
                                     const v1::QuarantineHandleRequest& request,
                                     v1::QuarantineHandleResponse& reply) {
  Status error;
  const NamedPool* const pool = FindHandle(pools_, request, error);
  if (pool == nullptr) return error;
  const auto handle = static_cast<Handle>(request.handle());
  if (pool->leases->Quarantine(info.worker, handle) == LeasePool::Quarantined::kTooMany) {
    return Overloaded(pool->spec.name, LeasePool::kMaxRetryMs);
  }
  DescribeHandle(*pool, handle, *reply.mutable_handle());
  return {};
}

Status PoolService::ReinstateHandle(const CallInfo& info, const v1::ReinstateHandleRequest& request,
                                    v1::ReinstateHandleResponse& reply) {
  Status error;
  const NamedPool* const pool = FindHandle(pools_, request, error);
  if (pool == nullptr) return error;
  const auto handle = static_cast<Handle>(request.handle());
  if (!pool->leases->Reinstate(info.worker, handle, info.now)) {
    return NotQuarantined(pool->spec.name, handle);
  }
  DescribeHandle(*pool, handle, *reply.mutable_handle());
  return {};
}

// Looks at every handle, which takes longer than a worker may.
std::optional<Status> PoolService::AuditPool(const CallInfo& info,
                                             const v1::AuditPoolRequest& request,
                                             v1::AuditPoolResponse& /*reply*/) {
  Status error;
  const NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  auto reply = std::make_shared<v1::AuditPoolResponse>();
  return changes_.Look(
      info, pool->spec, [reply](const NamedPool& found) { Audit(found, *reply); },
      [this, reply, name = pool->spec.name](rpc::UnaryCall& call, const Status& failed,
                                            const NamedPool* /*pool*/) {
        Note(call, Method::kAuditPool, name, failed);
        if (failed.code() != 0) {
          call.Finish(ToCallStatus(failed));
        } else {
          FinishWith(call, *reply);
        }
      });
}

void PoolService::AddHandlesTo(rpc::MethodTable& methods, uint32_t workers, Gate& gate) {
  methods.Add(kName, "GetHandle",
              TypedHandler<v1::GetHandleRequest, v1::GetHandleResponse>(
                  Door{gate, Method::kGetHandle}, pools_.clock(), workers,
                  std::bind_front(&PoolService::GetHandle, this)));
  methods.Add(kName, "ListHandles",
              TypedHandler<v1::ListHandlesRequest, v1::ListHandlesResponse>(
                  Door{gate, Method::kListHandles}, pools_.clock(), workers,
                  std::bind_front(&PoolService::ListHandles, this)));
  methods.Add(kName, "QuarantineHandle",
              TypedHandler<v1::QuarantineHandleRequest, v1::QuarantineHandleResponse>(
                  Door{gate, Method::kQuarantineHandle}, pools_.clock(), workers,
                  std::bind_front(&PoolService::QuarantineHandle, this)));
  methods.Add(kName, "ReinstateHandle",
              TypedHandler<v1::ReinstateHandleRequest, v1::ReinstateHandleResponse>(
                  Door{gate, Method::kReinstateHandle}, pools_.clock(), workers,
                  std::bind_front(&PoolService::ReinstateHandle, this)));
  methods.Add(kName, "AuditPool",
              TypedHandler<v1::AuditPoolRequest, v1::AuditPoolResponse>(
                  Door{gate, Method::kAuditPool}, pools_.clock(), workers,
                  std::bind_front(&PoolService::AuditPool, this)));
}

}  // namespace objpool::server
