#include "server/collector.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "server/metrics/families.h"
#include "server/metrics/process_metrics.h"

namespace objpool::server {

using metrics::FamilyBuilder;

namespace {

std::map<uint32_t, std::vector<uint32_t>> CpusByNode(const SlotMap& map) {
  std::map<uint32_t, std::vector<uint32_t>> nodes;
  for (SlotId slot = 0; slot < map.slots(); ++slot) {
    const Cpu& cpu = map.owner(slot);
    nodes[cpu.node].push_back(cpu.os_index);
  }
  return nodes;
}

// As the kernel lists CPUs: "0-3,8".
std::string ListText(std::vector<uint32_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::string text;
  for (std::size_t first = 0, end = 0; first < numbers.size(); first = end) {
    for (end = first + 1; end < numbers.size() && numbers[end] == numbers[end - 1] + 1;) ++end;
    if (first > 0) text += ',';
    text += std::to_string(numbers[first]);
    if (end - first > 1) text += '-' + std::to_string(numbers[end - 1]);
  }
  return text;
}

}  // namespace

std::vector<prometheus::MetricFamily> Collect(const CollectorSources& sources) {
  std::vector<prometheus::MetricFamily> families;
  families.push_back(FamilyBuilder("objpool_build_info")
                         .Add(1, {{"version", OBJPOOL_VERSION},
                                  {"engine", sources.engine.name()},
                                  {"engine_version", sources.engine.version()},
                                  {"pool_engine", sources.pools.engine()}})
                         .Take());
  FamilyBuilder topology{"objpool_topology_info"};
  for (const auto& [node, cpus] : CpusByNode(sources.slots)) {
    topology.Add(1, {{"node", std::to_string(node)}, {"cpus", ListText(cpus)}});
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
