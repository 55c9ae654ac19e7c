// Connections, where the engine sees them.
#include <array>
#include <string>

#include "server/collector.h"
#include "server/metrics/families.h"
#include "server/rpc/connection_stats.h"

namespace objpool::server {

using metrics::FamilyBuilder;

void AppendConnectionMetrics(const CollectorSources& sources,
                             std::vector<prometheus::MetricFamily>& families) {
  if (!sources.engine.counts_connections()) return;
  FamilyBuilder open = FamilyBuilder::Gauge("objpool_connections_open",
                                            "Clients' connections, by the worker that has them.");
  FamilyBuilder accepted = FamilyBuilder::Counter("objpool_connections_accepted_total",
                                                  "Connections that a worker was given.");
  std::array<uint64_t, rpc::kCuts> cuts{};
  for (uint32_t worker = 0; worker < sources.engine.workers(); ++worker) {
    const rpc::ConnectionStats& stats = sources.engine.stats(worker).connections;
    const Cpu& cpu = sources.slots.owner(worker);
    const metrics::Labels labels = {{"worker", std::to_string(worker)},
                                    {"cpu", std::to_string(cpu.os_index)},
                                    {"node", std::to_string(cpu.node)}};
    open.Add(stats.open.load(std::memory_order_relaxed), labels);
    accepted.Add(stats.accepted.value(), labels);
    for (std::size_t i = 0; i < cuts.size(); ++i) cuts[i] += stats.cuts[i].value();
  }
  families.push_back(open.Take());
  families.push_back(accepted.Take());
  FamilyBuilder cut = FamilyBuilder::Counter("objpool_connections_cut_total",
                                             "Connections that the server closed, by reason.");
  for (std::size_t i = 0; i < cuts.size(); ++i) cut.Add(cuts[i], {{"reason", rpc::kCutNames[i]}});
  families.push_back(cut.Take());
}

}  // namespace objpool::server
