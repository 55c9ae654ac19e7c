#include "server/service/status.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "objpool/status/v1/status.pb.h"
#include "server/service/fields.h"
#include "server/service/pool_service.h"

namespace objpool::server {
namespace {

void SetNs(rpc::BootNs ns, google::protobuf::Duration& duration) {
  duration.set_seconds(static_cast<int64_t>(ns / 1'000'000'000));
  duration.set_nanos(static_cast<int32_t>(ns % 1'000'000'000));
}

// An older reading of the clock than somebody else's is no time at all.
rpc::BootNs Since(rpc::BootNs then, rpc::BootNs now) { return now > then ? now - then : 0; }

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  // It fails for messages of kinds that have a meaning of their own, which these have not.
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  return json + "\n";
}

void DescribeWorker(const WorkerView& worker, rpc::BootNs now, status::v1::WorkerStatus& to) {
  to.set_cpu(worker.cpu);
  to.set_numa_node(worker.node);
  to.set_pinned(worker.pinned);
  to.set_calls(worker.calls);
  to.set_calls_under_way(worker.calls_under_way);
  SetNs(worker.busy_ns, *to.mutable_busy());
  if (worker.turned_at != 0) SetNs(Since(worker.turned_at, now), *to.mutable_since_turn());
}

void DescribePoolStatus(const NamedPool& pool, lease::BootMs now, status::v1::PoolStatus& to) {
  v1::Pool& as = *to.mutable_pool();
  DescribePool(pool, now, as);
  const uint64_t there = as.free() + as.leased() + as.dirty() + as.resting() + as.quarantined();
  to.set_unaccounted(static_cast<int64_t>(as.capacity()) - static_cast<int64_t>(there));
  const lease::LeaseTotals totals = pool.leases->Totals();
  to.set_granted(totals.granted);
  to.set_recovered(totals.recovered);
  to.set_returned(totals.returned);
  to.set_expired(totals.expired);
  to.set_revoked(totals.revoked);
  to.set_renewed(totals.renewed);
}

}  // namespace

std::string StatusJson(const ServerView& server, const PoolSet& pools, rpc::BootNs now) {
  status::v1::ServerStatus status;
  status.set_version(server.version);
  status.set_engine(server.engine);
  status.set_address(server.address);
  status.set_serving(server.serving);
  status.set_sessions(static_cast<uint32_t>(server.sessions));
  SetNs(Since(server.up_since, now), *status.mutable_up());
  for (uint32_t i = 0; i < server.workers.size(); ++i) {
    status::v1::WorkerStatus& worker = *status.add_workers();
    worker.set_worker(i);
    DescribeWorker(server.workers[i], now, worker);
  }
  const PoolSet::Held held = pools.pools();
  for (const NamedPool* const pool : held.list()) {
    DescribePoolStatus(*pool, pools.clock().At(now), *status.add_pools());
  }
  return ToJson(status);
}

std::optional<std::string> PoolStatusJson(const PoolSet& pools, std::string_view pool,
                                          rpc::BootNs now) {
  const PoolSet::Held held = pools.pools();
  const auto found =
      std::ranges::find(held.list(), pool, [](const NamedPool* each) { return each->spec.name; });
  if (found == held.list().end()) return std::nullopt;
  status::v1::PoolDetail detail;
  DescribePoolStatus(**found, pools.clock().At(now), *detail.mutable_status());
  DescribeStats(**found, *detail.mutable_stats());
  return ToJson(detail);
}

}  // namespace objpool::server
