// What pools and slots hold, and how handles move between them.
#include <algorithm>
#include <array>
#include <numeric>
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
std::vector<std::size_t> DistancesOf(const SlotMap& map) {
  std::array<bool, kStealDistances> present{};
  for (SlotId slot = 0; slot < map.slots(); ++slot) {
    for (const StealTarget& target : map.order(slot)) {
      present[static_cast<std::size_t>(target.distance)] = true;
    }
  }
  std::vector<std::size_t> distances;
  for (std::size_t d = 0; d < kStealDistances; ++d) {
    if (present[d]) distances.push_back(d);
  }
  return distances;
}

uint64_t SumOf(const SlotStats::ByDistance& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

SlotStats SumOf(const lease::FreeHandles& pool, const SlotRow& row) {
  SlotStats sum;
  for (const SlotId slot : row.slots) sum += pool.Stats(slot);
  return sum;
}

// By CPU who gave and who took, by distance how far: both at once would be too many series.
struct SlotFamilies {
  FamilyBuilder occupancy{"objpool_slot_occupancy_handles"};
  FamilyBuilder acquires{"objpool_acquires_total"};
  FamilyBuilder pushes{"objpool_slot_pushes_total"};
  FamilyBuilder misses{"objpool_slot_misses_total"};
  FamilyBuilder stolen_by{"objpool_handles_stolen_by_total"};
  FamilyBuilder stolen_from{"objpool_handles_stolen_from_total"};
  FamilyBuilder acquires_by_steal{"objpool_acquires_by_steal_total"};
  FamilyBuilder stolen{"objpool_handles_stolen_total"};

  void Add(const std::string& pool, const SlotRow& row, const SlotStats& stats, bool steals) {
    const Labels labels = row.WithPool(pool);
    const auto from = [&labels](const char* source) {
      Labels more = labels;
      more.push_back({"source", source});
      return more;
    };
    occupancy.Add(stats.occupancy, labels);
    pushes.Add(stats.pushes, labels);
    misses.Add(stats.misses, labels);
    acquires.Add(stats.local_hits, from("local"));
    acquires.Add(stats.depot_hits, from("depot"));
    if (!steals) return;
    acquires.Add(SumOf(stats.acquired_by_steal), from("steal"));
    stolen_by.Add(SumOf(stats.stolen_by), labels);
    stolen_from.Add(SumOf(stats.stolen_from), labels);
  }

  void AddDistances(const std::string& pool, const SlotStats& stats,
                    const std::vector<std::size_t>& distances) {
    for (const std::size_t d : distances) {
      const Labels labels = {{"pool", pool}, {"distance", kStealDistanceNames[d]}};
      acquires_by_steal.Add(stats.acquired_by_steal[d], labels);
      stolen.Add(stats.stolen_by[d], labels);
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
    SlotStats sum;
    for (const SlotRow& row : rows) {
      const SlotStats stats = SumOf(named.leases->pool(), row);
      slots.Add(name, row, stats, !distances.empty());
      sum += stats;
    }
    slots.AddDistances(name, sum, distances);
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
  if (distances.empty()) return;  // a lone worker has nobody to steal from
  for (FamilyBuilder* const family :
       {&slots.stolen_by, &slots.stolen_from, &slots.acquires_by_steal, &slots.stolen}) {
    families.push_back(family->Take());
  }
}

}  // namespace objpool::server
