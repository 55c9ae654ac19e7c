#include "server/service/pool_service.h"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/config/file.h"
#include "server/service/fields.h"

namespace objpool::server {
namespace {

using google::rpc::Status;
using settings::Method;

constexpr std::size_t kMaxNameBytes = 63;

// Writes what the handles of a pool are.
struct KindWriter {
  const NamedPool& pool;
  v1::Pool& to;

  void operator()(const IdsSpec& ids) const { to.mutable_ids()->set_first_id(ids.first); }
  void operator()(const LabelsSpec& /*labels*/) const { to.mutable_labels(); }
  void operator()(const BuffersSpec& buffers) const {
    to.mutable_buffers()->set_size_bytes(buffers.size_bytes);
    to.mutable_buffers()->set_mapped_bytes(pool.memory->mapped_bytes());
    to.mutable_buffers()->set_placement(pool.memory->placement());
    for (const ObjectMemory::NodePages& found : pool.memory->LookAtPages()) {
      v1::NodePages* const pages = to.mutable_buffers()->add_pages();
      pages->set_numa_node(found.node);
      pages->set_known(found.known);
      pages->set_on_node(found.on_node);
    }
  }
};

v1::PoolState StateOf(const NamedPool& pool) {
  if (pool.deleting.load(std::memory_order_relaxed)) return v1::POOL_STATE_DELETING;
  return pool.leases->draining() ? v1::POOL_STATE_DRAINING : v1::POOL_STATE_ACTIVE;
}

void SetSteals(const SlotStats::ByDistance& counts, v1::StealsByDistance& to) {
  to.set_same_core(counts[static_cast<std::size_t>(StealDistance::kSameCore)]);
  to.set_same_cache(counts[static_cast<std::size_t>(StealDistance::kSameCache)]);
  to.set_same_node(counts[static_cast<std::size_t>(StealDistance::kSameNode)]);
  to.set_remote_node(counts[static_cast<std::size_t>(StealDistance::kRemoteNode)]);
}

void DescribeSlot(const lease::FreeHandles& pool, SlotId slot, v1::SlotStats& to) {
  const SlotStats stats = pool.Stats(slot);
  const Cpu& cpu = pool.slots().owner(slot);
  to.set_worker(slot);
  to.set_cpu(cpu.os_index);
  to.set_numa_node(cpu.node);
  to.set_occupancy(stats.occupancy);
  to.set_pushes(stats.pushes);
  to.set_local_hits(stats.local_hits);
  to.set_depot_hits(stats.depot_hits);
  SetSteals(stats.stolen_by, *to.mutable_stolen_by());
  SetSteals(stats.stolen_from, *to.mutable_stolen_from());
  to.set_misses(stats.misses);
  SetSteals(stats.acquired_by_steal, *to.mutable_acquired_by_steal());
}

}  // namespace

void DescribePool(const NamedPool& pool, lease::BootMs now, v1::Pool& to) {
  to.set_name("pools/" + pool.spec.name);
  std::visit(KindWriter{pool, to}, pool.spec.kind);
  to.set_capacity(pool.capacity());
  const lease::LeasePool::Census census = pool.leases->Counted();
  to.set_free(census.free);
  to.set_leased(census.leased);
  to.set_dirty(census.dirty);
  to.set_resting(census.resting);
  to.set_quarantined(census.quarantined);
  to.set_state(StateOf(pool));
  if (const auto waiting = pool.leases->LookAtWaiting(); waiting.waiters != 0) {
    to.set_waiters(waiting.waiters);
    // It may have come after `now` was read.
    const lease::BootMs since = waiting.oldest_since;
    SetDuration(now > since ? now - since : 0, *to.mutable_oldest_wait());
  }
  if (const auto quota = pool.leases->quotas().limits(); quota != lease::Quotas::Limits{}) {
    to.mutable_quota_per_identity()->set_handles(quota.handles);
    to.mutable_quota_per_identity()->set_calls_per_s(quota.calls_per_s);
  }
  to.set_durability(ToMessage(pool.spec).durability());
  SetDuration(pool.ttl_min_ms.load(std::memory_order_relaxed), *to.mutable_ttl_min());
  SetDuration(pool.ttl_default_ms.load(std::memory_order_relaxed), *to.mutable_ttl_default());
  SetDuration(pool.ttl_max_ms.load(std::memory_order_relaxed), *to.mutable_ttl_max());
  SetDuration(pool.reuse_delay_ms.load(std::memory_order_relaxed), *to.mutable_reuse_delay());
}

Status PoolService::GetPool(const CallInfo& info, const v1::GetPoolRequest& request,
                            v1::GetPoolResponse& reply) {
  Status error;
  const NamedPool* const pool = FindPool(pools_, "name", request.name(), error);
  if (pool == nullptr) return error;
  DescribePool(*pool, info.now, *reply.mutable_pool());
  return {};
}

// Those that the client may see. The token is the name of the last pool of the page before, so that
// a page is right whatever happens to the pools between two calls.
Status PoolService::ListPools(const CallInfo& info, const v1::ListPoolsRequest& request,
                              v1::ListPoolsResponse& reply) {
  Violations bad;
  const uint32_t size = PageSize(request.page_size(), bad);
  if (request.page_token().size() > kMaxNameBytes) {
    bad.Add("page_token", "must be a next_page_token of at most " + std::to_string(kMaxNameBytes) +
                              " bytes, got " + std::to_string(request.page_token().size()));
  }
  if (!bad.empty()) return bad.ToError();
  const PoolSet::Held held = pools_.pools();
  const std::vector<NamedPool*>& pools = held.list();
  auto at = std::ranges::upper_bound(pools, request.page_token(), {}, [](const NamedPool* pool) {
    return std::string_view(pool->spec.name);
  });
  const NamedPool* last = nullptr;
  for (; at != pools.end(); ++at) {
    if (!gate_->Allows(info, {.method = Method::kListPools, .pool = (*at)->spec.name})) continue;
    if (static_cast<uint32_t>(reply.pools_size()) == size) {
      reply.set_next_page_token(last->spec.name);
      break;
    }
    last = *at;
    DescribePool(*last, info.now, *reply.add_pools());
  }
  return {};
}

void DescribeStats(const NamedPool& named, v1::GetPoolStatsResponse& to) {
  const lease::FreeHandles& pool = named.leases->pool();
  to.set_capacity(pool.capacity());
  for (SlotId slot = 0; slot < pool.slots().slots(); ++slot) {
    DescribeSlot(pool, slot, *to.add_slots());
  }
  const lease::LeaseTotals totals = named.leases->Totals();
  to.set_granted(totals.granted);
  to.set_renewed(totals.renewed);
  to.set_returned(totals.returned);
  to.set_expired(totals.expired);
  to.set_revoked(totals.revoked);
  to.set_engine(pool.engine());
}

Status PoolService::GetPoolStats(const CallInfo& /*info*/, const v1::GetPoolStatsRequest& request,
                                 v1::GetPoolStatsResponse& reply) {
  Status error;
  const NamedPool* const named = FindPool(pools_, "name", request.name(), error);
  if (named == nullptr) return error;
  DescribeStats(*named, reply);
  return {};
}

Status PoolService::RevokeGrant(const CallInfo& info, const v1::RevokeGrantRequest& request,
                                v1::RevokeGrantResponse& reply) {
  Status error;
  const NamedPool* const pool = FindPool(pools_, "pool", request.pool(), error);
  if (pool == nullptr) return error;
  Violations bad;
  CheckHandle(request.handle(), *pool, bad);
  CheckFenceGiven(request.fence(), bad);
  if (!bad.empty()) return bad.ToError();
  const lease::Verdict verdict =
      pool->leases->Revoke(info.worker, request.handle(), request.fence(), info.now);
  // There is no key that could be wrong, so it is the grant that never was.
  if (verdict.outcome == lease::Outcome::kNotHolder) {
    return NoGrant(pool->spec.name, request.handle());
  }
  reply.set_already_revoked(verdict.outcome == lease::Outcome::kRevoked);
  if (reply.already_revoked()) return {};
  return FromVerdict(verdict, {.pool = pool->spec.name,
                               .field = "handle",
                               .handle = request.handle(),
                               .capacity = pool->capacity(),
                               .now = info.now});
}

void PoolService::Note(rpc::UnaryCall& call, Method method, const std::string& pool,
                       const Status& result) {
  const CallInfo info{.worker = call.worker(), .now = {}, .call = &call};
  gate_->Note(info, {.method = method, .pool = pool}, result);
}

void PoolService::AddTo(rpc::MethodTable& methods, uint32_t workers, Gate& gate) {
  methods.Add(kName, "GetPool",
              TypedHandler<v1::GetPoolRequest, v1::GetPoolResponse>(
                  Door{gate, Method::kGetPool}, pools_.clock(), workers,
                  std::bind_front(&PoolService::GetPool, this)));
  methods.Add(kName, "ListPools",
              TypedHandler<v1::ListPoolsRequest, v1::ListPoolsResponse>(
                  Door{gate, Method::kListPools}, pools_.clock(), workers,
                  std::bind_front(&PoolService::ListPools, this)));
  methods.Add(kName, "GetPoolStats",
              TypedHandler<v1::GetPoolStatsRequest, v1::GetPoolStatsResponse>(
                  Door{gate, Method::kGetPoolStats}, pools_.clock(), workers,
                  std::bind_front(&PoolService::GetPoolStats, this)));
  methods.Add(kName, "RevokeGrant",
              TypedHandler<v1::RevokeGrantRequest, v1::RevokeGrantResponse>(
                  Door{gate, Method::kRevokeGrant}, pools_.clock(), workers,
                  std::bind_front(&PoolService::RevokeGrant, this)));
  gate_ = &gate;
  AddAdminTo(methods, workers, gate);
  AddHandlesTo(methods, workers, gate);
}

}  // namespace objpool::server
