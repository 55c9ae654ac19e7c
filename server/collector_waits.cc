// Who waits for handles.
#include <string>
#include <vector>

#include "server/collector.h"
#include "server/lease/lease_stats.h"
#include "server/metrics/families.h"

namespace objpool::server {
namespace {

using metrics::FamilyBuilder;

struct WaitFamilies {
  FamilyBuilder waiters{"objpool_lease_waiters"};
  FamilyBuilder oldest{"objpool_lease_oldest_wait_seconds"};
  FamilyBuilder waits{"objpool_lease_waits_total"};
  FamilyBuilder waited{"objpool_lease_waited_seconds_total"};

  void Add(const NamedPool& pool, uint32_t workers, lease::BootMs now) {
    const std::string& name = pool.spec.name;
    const lease::LeasePool::Waiting waiting = pool.leases->LookAtWaiting();
    waiters.Add(uint64_t{waiting.waiters}, {{"pool", name}});
    const bool any = waiting.waiters != 0 && now > waiting.oldest_since;
    oldest.Add(any ? static_cast<double>(now - waiting.oldest_since) * 1e-3 : 0.0,
               {{"pool", name}});
    uint64_t served = 0;
    uint64_t given_up = 0;
    uint64_t waited_ms = 0;
    for (SlotId worker = 0; worker < workers; ++worker) {
      const lease::LeaseCell& cell = pool.leases->cell(worker);
      served += cell.waits_served.value();
      given_up += cell.waits_given_up.value();
      waited_ms += cell.waited_ms.value();
    }
    waits.Add(served, {{"pool", name}, {"result", "served"}});
    waits.Add(given_up, {{"pool", name}, {"result", "given_up"}});
    waited.Add(static_cast<double>(waited_ms) * 1e-3, {{"pool", name}});
  }
};

}  // namespace

void AppendWaitMetrics(const CollectorSources& sources,
                       std::vector<prometheus::MetricFamily>& families) {
  WaitFamilies all;
  const lease::BootMs now = sources.pools.clock().At(rpc::BootNow());
  for (const NamedPool& pool : sources.pools.pools()) all.Add(pool, sources.slots.slots(), now);
  for (FamilyBuilder* const family : {&all.waiters, &all.oldest, &all.waits, &all.waited}) {
    families.push_back(family->Take());
  }
}

}  // namespace objpool::server
