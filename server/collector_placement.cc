// Whether memory is on the NUMA node of who uses it, and why that is to be expected or not.
#include <string>

#include "server/collector.h"
#include "server/metrics/families.h"

namespace objpool::server {
namespace {

using metrics::FamilyBuilder;

struct Placement {
  const char* mode;
  const char* reason;
};

// Whoever touches a page first has it on its node; that holds for workers that stay on theirs.
Placement PlacementOf(const CollectorSources& sources) {
  if (sources.slots.nodes().size() == 1) return {"single_node", "one_node"};
  for (uint32_t worker = 0; worker < sources.engine.workers(); ++worker) {
    if (!sources.engine.stats(worker).pinned.load(std::memory_order_relaxed)) {
      return {"none", "workers_not_pinned"};
    }
  }
  return {"first_touch", "workers_pinned"};
}

}  // namespace

void AppendPlacementMetrics(const CollectorSources& sources,
                            std::vector<prometheus::MetricFamily>& families) {
  static const bool tells = KernelTellsPages();
  const auto [mode, reason] = PlacementOf(sources);
  families.push_back(FamilyBuilder("objpool_numa_info")
                         .Add(1, {{"mode", mode},
                                  {"reason", reason},
                                  {"checked_by", tells ? "move_pages" : "refused"}})
                         .Take());
  FamilyBuilder sampled("objpool_buffer_pages_sampled");
  FamilyBuilder misplaced("objpool_buffer_pages_misplaced");
  const PageWatch::Found found = sources.pages.Look(sources.pools.pools(), rpc::BootNow());
  for (const auto& [pool, nodes] : found) {
    for (const ObjectMemory::NodePages& pages : nodes) {
      const metrics::Labels labels = {{"pool", pool}, {"node", std::to_string(pages.node)}};
      sampled.Add(pages.known, labels);
      misplaced.Add(pages.known - pages.on_node, labels);
    }
  }
  if (found.empty()) return;
  families.push_back(sampled.Take());
  families.push_back(misplaced.Take());
}

}  // namespace objpool::server
