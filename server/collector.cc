#include "server/collector.h"

#include "server/metrics/families.h"
#include "server/metrics/process_metrics.h"

namespace objpool::server {

using metrics::FamilyBuilder;

std::vector<prometheus::MetricFamily> Collect(const CollectorSources& sources) {
  std::vector<prometheus::MetricFamily> families;
  families.push_back(FamilyBuilder::Gauge("objpool_build_info", "Always 1; what runs.")
                         .Add(1, {{"version", OBJPOOL_VERSION},
                                  {"engine", sources.engine.name()},
                                  {"engine_version", sources.engine.version()},
                                  {"pool_engine", sources.pools.engine()}})
                         .Take());
  FamilyBuilder topology = FamilyBuilder::Gauge(
      "objpool_topology_info", "Always 1; the CPU and the NUMA node of each worker.");
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
  families.push_back(FamilyBuilder::Counter("objpool_disk_syncs_total",
                                            "Writes to the disk that answers waited for.")
                         .Add(sources.disk.syncs())
                         .Take());
  families.push_back(FamilyBuilder::Gauge("objpool_disk_failed",
                                          "1 when the disk has failed: pools of DURABILITY_DISK "
                                          "lease and renew no more.")
                         .Add(sources.disk.failed() ? 1 : 0)
                         .Take());
  AppendBufferMetrics(sources, families);
  AppendSessionMetrics(sources, families);
  AppendConnectionMetrics(sources, families);
  AppendTlsMetrics(sources, families);
  AppendRpcMetrics(sources, families);
  metrics::AppendProcessMetrics(families);
  return families;
}

}  // namespace objpool::server
