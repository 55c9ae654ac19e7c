// PoolService: pools that are made, changed and ended while the server serves.
#include <functional>
#include <string>
#include <utility>

#include "server/config/check.h"
#include "server/config/file.h"
#include "server/service/fields.h"
#include "server/service/pool_service.h"
#include "server/service/pool_watch.h"

namespace objpool::server {
namespace {

using google::rpc::Status;
using settings::Method;

// What the configuration's checks found, as errors of fields.
Status ToError(const ConfigErrors& errors) {
  Violations bad;
  for (const ConfigErrors::Fault& fault : errors.faults()) {
    bad.Add(fault.key.starts_with('.') ? fault.key.substr(1) : fault.key, fault.what);
  }
  return bad.ToError();
}

}  // namespace

std::optional<Status> PoolService::CreatePool(const CallInfo& info,
                                              const v1::CreatePoolRequest& request,
                                              v1::CreatePoolResponse& /*reply*/) {
  ConfigErrors errors;
  const PoolSpec spec = CheckPool(request.pool(), has_state_dir_, "pool", errors);
  if (!errors.empty()) return ToError(errors);
  // Nobody can have waited for it yet.
  return changes_.Create(info, spec,
                         [this, name = spec.name, now = info.now](
                             rpc::UnaryCall& call, const Status& error, const NamedPool* pool) {
                           Note(call, Method::kCreatePool, name, error);
                           if (error.code() != 0) {
                             call.Finish(ToCallStatus(error));
                             return;
                           }
                           v1::CreatePoolResponse reply;
                           if (pool != nullptr)
                             DescribePool(*pool, now,
                                          *reply.mutable_pool());  // else deleted already
                           FinishWith(call, reply);
                         });
}

Status PoolService::UpdatePool(const CallInfo& info, const v1::UpdatePoolRequest& request,
                               v1::UpdatePoolResponse& reply) {
  Status error;
  NamedPool* const pool = FindPool(pools_, "name", request.name(), error);
  if (pool == nullptr) return error;
  const std::scoped_lock lock(admin_lock_);
  if (pool->deleting.load(std::memory_order_relaxed)) return PoolDeleting(pool->spec.name);
  // The rules are those of the configuration.
  config::v1::PoolConfig wanted = ToMessage(pool->spec);
  const auto now_ms = [](const std::atomic<uint32_t>& ms) {
    google::protobuf::Duration duration;
    SetDuration(ms.load(std::memory_order_relaxed), duration);
    return duration;
  };
  *wanted.mutable_ttl_min() = request.has_ttl_min() ? request.ttl_min() : now_ms(pool->ttl_min_ms);
  *wanted.mutable_ttl_default() =
      request.has_ttl_default() ? request.ttl_default() : now_ms(pool->ttl_default_ms);
  *wanted.mutable_ttl_max() = request.has_ttl_max() ? request.ttl_max() : now_ms(pool->ttl_max_ms);
  *wanted.mutable_reuse_delay() =
      request.has_reuse_delay() ? request.reuse_delay() : now_ms(pool->reuse_delay_ms);
  lease::Quotas& quotas = pool->leases->quotas();
  config::v1::Quota& quota = *wanted.mutable_quota_per_identity();
  quota.set_handles(quotas.limits().handles);
  quota.set_calls_per_s(quotas.limits().calls_per_s);
  if (request.has_quota_per_identity()) quota = request.quota_per_identity();
  ConfigErrors errors;
  const PoolSpec spec = CheckPool(wanted, has_state_dir_, "", errors);
  if (!errors.empty()) return ToError(errors);
  if (std::string why; !changes_.Keep(spec, why)) return StateUnusable(spec.name, why);
  pool->ttl_min_ms.store(spec.ttl_min_ms, std::memory_order_relaxed);
  pool->ttl_default_ms.store(spec.ttl_default_ms, std::memory_order_relaxed);
  pool->ttl_max_ms.store(spec.ttl_max_ms, std::memory_order_relaxed);
  pool->reuse_delay_ms.store(spec.reuse_delay_ms, std::memory_order_relaxed);
  pool->leases->SetRest(spec.reuse_delay_ms);
  quotas.SetLimits(spec.quota);
  DescribePool(*pool, info.now, *reply.mutable_pool());
  return {};
}

// Behind the lock of those who change pools.
void PoolService::SetDraining(NamedPool& pool, bool draining) {
  if (pool.file != nullptr && pool.file->draining() != draining) pool.file->SetDraining(draining);
  pool.leases->SetDraining(draining);
}

Status PoolService::DrainPool(const CallInfo& info, const v1::DrainPoolRequest& request,
                              v1::DrainPoolResponse& reply) {
  Status error;
  NamedPool* const pool = FindPool(pools_, "name", request.name(), error);
  if (pool == nullptr) return error;
  const std::scoped_lock lock(admin_lock_);
  SetDraining(*pool, true);
  DescribePool(*pool, info.now, *reply.mutable_pool());
  return {};
}

Status PoolService::ResumePool(const CallInfo& info, const v1::ResumePoolRequest& request,
                               v1::ResumePoolResponse& reply) {
  Status error;
  NamedPool* const pool = FindPool(pools_, "name", request.name(), error);
  if (pool == nullptr) return error;
  const std::scoped_lock lock(admin_lock_);
  if (pool->deleting.load(std::memory_order_relaxed)) return PoolDeleting(pool->spec.name);
  SetDraining(*pool, false);
  pool->leases->ServeWaiting(info.worker, info.now);
  DescribePool(*pool, info.now, *reply.mutable_pool());
  return {};
}

Status PoolService::DeletePool(const CallInfo& info, const v1::DeletePoolRequest& request,
                               v1::DeletePoolResponse& reply) {
  Status error;
  NamedPool* const pool = FindPool(pools_, "name", request.name(), error);
  if (pool == nullptr) return error;
  const std::scoped_lock lock(admin_lock_);
  changes_.Delete(*pool);
  DescribePool(*pool, info.now, *reply.mutable_pool());
  return {};
}

void PoolService::AddAdminTo(rpc::MethodTable& methods, uint32_t workers, Gate& gate) {
  methods.Add(kName, "CreatePool",
              TypedHandler<v1::CreatePoolRequest, v1::CreatePoolResponse>(
                  Door{gate, Method::kCreatePool}, pools_.clock(), workers,
                  std::bind_front(&PoolService::CreatePool, this)));
  methods.Add(kName, "UpdatePool",
              TypedHandler<v1::UpdatePoolRequest, v1::UpdatePoolResponse>(
                  Door{gate, Method::kUpdatePool}, pools_.clock(), workers,
                  std::bind_front(&PoolService::UpdatePool, this)));
  methods.Add(kName, "DrainPool",
              TypedHandler<v1::DrainPoolRequest, v1::DrainPoolResponse>(
                  Door{gate, Method::kDrainPool}, pools_.clock(), workers,
                  std::bind_front(&PoolService::DrainPool, this)));
  methods.Add(kName, "ResumePool",
              TypedHandler<v1::ResumePoolRequest, v1::ResumePoolResponse>(
                  Door{gate, Method::kResumePool}, pools_.clock(), workers,
                  std::bind_front(&PoolService::ResumePool, this)));
  methods.Add(kName, "DeletePool",
              TypedHandler<v1::DeletePoolRequest, v1::DeletePoolResponse>(
                  Door{gate, Method::kDeletePool}, pools_.clock(), workers,
                  std::bind_front(&PoolService::DeletePool, this)));
  methods.Add(kName, "WatchPool",
              GuardedStream({gate, Method::kWatchPool}, [this, &gate](rpc::StreamCall& call) {
                return WatchPool(pools_, gate, call);
              }));
}

}  // namespace objpool::server
