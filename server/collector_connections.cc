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
  FamilyBuilder open{"objpool_connections_open"};
  std::array<uint64_t, rpc::kCuts> cuts{};
  std::array<uint64_t, rpc::kFloodKinds> floods{};
  std::array<uint64_t, rpc::kCallCuts> call_cuts{};
  uint64_t accepted = 0;
  uint64_t unread_bytes = 0;
  uint64_t unsent_bytes = 0;
  for (uint32_t worker = 0; worker < sources.engine.workers(); ++worker) {
    const rpc::ConnectionStats& stats = sources.engine.stats(worker).connections;
    const Cpu& cpu = sources.slots.owner(worker);
    open.Add(stats.open.load(std::memory_order_relaxed), {{"worker", std::to_string(worker)},
                                                          {"cpu", std::to_string(cpu.os_index)},
                                                          {"node", std::to_string(cpu.node)}});
    accepted += stats.accepted.value();
    for (std::size_t i = 0; i < cuts.size(); ++i) cuts[i] += stats.cuts[i].value();
    for (std::size_t i = 0; i < floods.size(); ++i) floods[i] += stats.floods[i].value();
    for (std::size_t i = 0; i < call_cuts.size(); ++i) call_cuts[i] += stats.call_cuts[i].value();
    unread_bytes += stats.unread_bytes.load(std::memory_order_relaxed);
    unsent_bytes += stats.unsent_bytes.load(std::memory_order_relaxed);
  }
  families.push_back(open.Take());
  families.push_back(FamilyBuilder("objpool_connections_accepted_total").Add(accepted).Take());
  FamilyBuilder cut{"objpool_connections_cut_total"};
  for (std::size_t i = 0; i < cuts.size(); ++i) cut.Add(cuts[i], {{"reason", rpc::kCutNames[i]}});
  families.push_back(cut.Take());
  FamilyBuilder flood{"objpool_connection_floods_total"};
  for (std::size_t i = 0; i < floods.size(); ++i) {
    flood.Add(floods[i], {{"kind", rpc::kFloodNames[i]}});
  }
  families.push_back(flood.Take());
  FamilyBuilder call_cut{"objpool_calls_cut_total"};
  for (std::size_t i = 0; i < call_cuts.size(); ++i) {
    call_cut.Add(call_cuts[i], {{"bound", rpc::kCallCutNames[i]}});
  }
  families.push_back(call_cut.Take());
  families.push_back(FamilyBuilder("objpool_requests_unread_bytes").Add(unread_bytes).Take());
  families.push_back(FamilyBuilder("objpool_answers_unsent_bytes").Add(unsent_bytes).Take());
}

}  // namespace objpool::server
