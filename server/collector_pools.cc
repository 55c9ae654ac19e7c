// What pools and slots hold, and how handles move between them.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "server/collector.h"
#include "server/metrics/families.h"
#include "server/service/free_watch.h"
#include "server/slot_rows.h"

namespace objpool::server {
namespace {

using metrics::FamilyBuilder;
using metrics::Labels;

// Which distances there are between the slots of this machine: series of others would stay 0.
std::array<bool, kStealDistances> DistancesOf(const SlotMap& map) {
  std::array<bool, kStealDistances> present{};
  for (SlotId slot = 0; slot < map.slots(); ++slot) {
    for (const StealTarget& target : map.order(slot)) {
      present[static_cast<std::size_t>(target.distance)] = true;
    }
  }
  return present;
}

SlotStats SumOf(const lease::FreeHandles& pool, const SlotRow& row) {
  SlotStats sum;
  for (const SlotId slot : row.slots) sum += pool.Stats(slot);
  return sum;
}

struct SlotFamilies {
  FamilyBuilder occupancy{"objpool_slot_occupancy_handles"};
  FamilyBuilder acquires{"objpool_acquires_total"};
  FamilyBuilder pushes{"objpool_slot_pushes_total"};
  FamilyBuilder misses{"objpool_slot_misses_total"};
  FamilyBuilder stolen_by{"objpool_handles_stolen_by_total"};
  FamilyBuilder stolen_from{"objpool_handles_stolen_from_total"};

  void Add(const std::string& pool, const SlotRow& row, const SlotStats& stats,
           const std::array<bool, kStealDistances>& distances) {
    const Labels labels = row.WithPool(pool);
    const auto with = [&labels](const char* name, std::string value) {
      Labels more = labels;
      more.push_back({name, std::move(value)});
      return more;
    };
    occupancy.Add(stats.occupancy, labels);
    pushes.Add(stats.pushes, labels);
    misses.Add(stats.misses, labels);
    acquires.Add(stats.local_hits, with("source", "local"));
    acquires.Add(stats.depot_hits, with("source", "depot"));
    for (std::size_t d = 0; d < kStealDistances; ++d) {
      if (!distances[d]) continue;
      const std::string name = kStealDistanceNames[d];
      acquires.Add(stats.acquired_by_steal[d], with("source", "steal_" + name));
      stolen_by.Add(stats.stolen_by[d], with("distance", name));
      stolen_from.Add(stats.stolen_from[d], with("distance", name));
    }
  }
};

}  // namespace

void AppendPoolMetrics(const CollectorSources& sources,
                       std::vector<prometheus::MetricFamily>& families) {
  FamilyBuilder capacity{"objpool_pool_capacity_handles"};
  FamilyBuilder free{"objpool_pool_free_handles"};
  FamilyBuilder low("objpool_pool_low_free_handles");
  FamilyBuilder dirty{"objpool_pool_dirty_handles"};
  FamilyBuilder resting{"objpool_pool_resting_handles"};
  FamilyBuilder quarantined{"objpool_pool_quarantined_handles"};
  FamilyBuilder unaccounted{"objpool_pool_unaccounted_handles"};
  SlotFamilies slots;
  const lease::BootMs now = sources.pools.clock().At(rpc::BootNow());
  const PoolSet::Held pools = sources.pools.pools();
  const std::vector<SlotRow> rows = SlotRows(sources.slots, pools.size(), sources.by_cpu);
  const auto distances = DistancesOf(sources.slots);
  for (NamedPool& named : pools) {
    const std::string& name = named.spec.name;
    for (const SlotRow& row : rows) {
      const SlotStats stats = SumOf(named.leases->pool(), row);
      slots.Add(name, row, stats, distances);
    }
    capacity.Add(named.capacity(), {{"pool", name}});
    const lease::LeasePool::Census census = named.leases->Counted();
    free.Add(census.free, {{"pool", name}});
    NoteFree(named, now);
    low.Add(std::min<uint64_t>(named.low_free.Lowest(now).value_or(census.free), census.free),
            {{"pool", name}});
    dirty.Add(census.dirty, {{"pool", name}});
    resting.Add(census.resting, {{"pool", name}});
    quarantined.Add(census.quarantined, {{"pool", name}});
    unaccounted.Add(static_cast<double>(named.capacity()) - static_cast<double>(census.sum()),
                    {{"pool", name}});
  }
  for (FamilyBuilder* const family :
       {&capacity, &free, &low, &dirty, &resting, &quarantined, &unaccounted, &slots.occupancy,
        &slots.acquires, &slots.pushes, &slots.misses}) {
    families.push_back(family->Take());
  }
  if (sources.slots.slots() > 1) {  // a lone worker has nobody to steal from
    families.push_back(slots.stolen_by.Take());
    families.push_back(slots.stolen_from.Take());
  }
}

}  // namespace objpool::server
