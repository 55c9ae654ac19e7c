#include "server/collector.h"

#include "server/metrics/families.h"
#include "server/metrics/process_metrics.h"

namespace objpool::server {

using metrics::FamilyBuilder;

std::vector<prometheus::MetricFamily> Collect(const CollectorSources& sources) {
  std::vector<prometheus::MetricFamily> families;
  families.push_back(FamilyBuilder("objpool_build_info")
                         .Add(1, {{"version", OBJPOOL_VERSION},
                                  {"engine", sources.engine.name()},
                                  {"engine_version", sources.engine.version()},
                                  {"pool_engine", sources.pools.engine()}})
                         .Take());
  FamilyBuilder topology{"objpool_topology_info"};
  for (SlotId worker = 0; worker < sources.slots.slots(); ++worker) {
    const Cpu& cpu = sources.slots.owner(worker);
    topology.Add(1, {{"worker", std::to_string(worker)},
                     {"cpu", std::to_string(cpu.os_index)},
                     {"node", std::to_string(cpu.node)}});
  }
  families.push_back(topology.Take());
  AppendPoolMetrics(sources, families);
  AppendLeaseMetrics(sources, families);
  AppendWaitMetrics(sources, families);
  families.push_back(FamilyBuilder("objpool_disk_syncs_total").Add(sources.disk.syncs()).Take());
  families.push_back(
      FamilyBuilder("objpool_disk_failed").Add(sources.disk.failed() ? 1 : 0).Take());
  AppendBufferMetrics(sources, families);
  AppendPlacementMetrics(sources, families);
  AppendSessionMetrics(sources, families);
  AppendConnectionMetrics(sources, families);
  AppendTlsMetrics(sources, families);
  AppendRpcMetrics(sources, families);
  AppendPolicyMetrics(sources, families);
  metrics::AppendProcessMetrics(families);
  return families;
}

}  // namespace objpool::server
