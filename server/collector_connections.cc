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
  uint64_t open = 0;
  uint64_t accepted = 0;
  std::array<uint64_t, rpc::kCuts> cuts{};
  for (uint32_t worker = 0; worker < sources.engine.workers(); ++worker) {
    const rpc::ConnectionStats& stats = sources.engine.stats(worker).connections;
    open += stats.open.load(std::memory_order_relaxed);
    accepted += stats.accepted.value();
    for (std::size_t i = 0; i < cuts.size(); ++i) cuts[i] += stats.cuts[i].value();
  }
  families.push_back(
      FamilyBuilder::Gauge("objpool_connections_open", "Clients' connections.").Add(open).Take());
  families.push_back(
      FamilyBuilder::Counter("objpool_connections_accepted_total", "Connections that were taken.")
          .Add(accepted)
          .Take());
  FamilyBuilder cut = FamilyBuilder::Counter("objpool_connections_cut_total",
                                             "Connections that the server closed, by reason.");
  for (std::size_t i = 0; i < cuts.size(); ++i) cut.Add(cuts[i], {{"reason", rpc::kCutNames[i]}});
  families.push_back(cut.Take());
}

}  // namespace objpool::server
