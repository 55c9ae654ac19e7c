// What became of grants.
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "server/collector.h"
#include "server/histogram_sum.h"
#include "server/lease/lease_stats.h"
#include "server/metrics/families.h"

namespace objpool::server {
namespace {

using lease::Outcome;
using metrics::FamilyBuilder;

constexpr double kSecondsPerMs = 1e-3;

// Outcomes that refuse, as metrics name them, and the verbs that have them. kOk is none.
struct Refusal {
  Outcome outcome;
  const char* returns;
  const char* renewals;
  const char* revocations;
};
constexpr std::array<Refusal, 7> kRefusals = {
    {{Outcome::kAlreadyReturned, "already_returned", nullptr, nullptr},
     {Outcome::kReturned, nullptr, "returned", "returned"},
     {Outcome::kExpired, "expired", "expired", "expired"},
     {Outcome::kRevoked, "revoked", "revoked", "already_revoked"},
     {Outcome::kStaleFence, "stale_fence", "stale_fence", "stale_fence"},
     {Outcome::kNotHolder, "not_holder", "not_holder", "no_grant"},
     {Outcome::kBadHandle, "bad_handle", "bad_handle", nullptr}}};

void AddRefusals(const NamedPool& pool, uint32_t workers, FamilyBuilder& family) {
  const auto add = [&](const char* verb, const char* reason, auto count_of) {
    uint64_t sum = 0;
    for (SlotId worker = 0; worker < workers; ++worker) sum += count_of(pool.leases->cell(worker));
    family.Add(sum, {{"pool", pool.spec.name}, {"verb", verb}, {"reason", reason}});
  };
  add("lease", "exhausted", [](const lease::LeaseCell& cell) { return cell.exhausted.value(); });
  add("lease", "quota", [](const lease::LeaseCell& cell) { return cell.over_quota.value(); });
  using Counters = std::array<base::Counter, lease::kOutcomes>;
  for (const Refusal& refusal : kRefusals) {
    const auto add_if = [&](const char* verb, const char* reason,
                            Counters lease::LeaseCell::*counters) {
      if (reason == nullptr) return;
      const auto index = static_cast<std::size_t>(refusal.outcome);
      add(verb, reason,
          [&](const lease::LeaseCell& cell) { return (cell.*counters)[index].value(); });
    };
    add_if("return", refusal.returns, &lease::LeaseCell::returns);
    add_if("renew", refusal.renewals, &lease::LeaseCell::renewals);
    add_if("revoke", refusal.revocations, &lease::LeaseCell::revocations);
  }
}

struct LeaseFamilies {
  FamilyBuilder granted{"objpool_leases_granted_total"};
  FamilyBuilder renewed{"objpool_leases_renewed_total"};
  FamilyBuilder returned{"objpool_leases_returned_total"};
  FamilyBuilder expired{"objpool_leases_expired_total"};
  FamilyBuilder revoked{"objpool_leases_revoked_total"};
  FamilyBuilder recovered{"objpool_leases_recovered_total"};
  FamilyBuilder active{"objpool_leases_active"};
  FamilyBuilder refusals{"objpool_lease_refusals_total"};
  FamilyBuilder hold{"objpool_lease_hold_seconds"};
  FamilyBuilder lag{"objpool_lease_expiry_lag_seconds"};

  void Add(const NamedPool& pool, uint32_t workers) {
    const std::string& name = pool.spec.name;
    const lease::LeaseTotals totals = pool.leases->Totals();
    granted.Add(totals.granted, {{"pool", name}});
    renewed.Add(totals.renewed, {{"pool", name}});
    returned.Add(totals.returned, {{"pool", name}});
    expired.Add(totals.expired, {{"pool", name}});
    revoked.Add(totals.revoked, {{"pool", name}});
    recovered.Add(totals.recovered, {{"pool", name}});
    active.Add(totals.active(), {{"pool", name}});
    AddRefusals(pool, workers, refusals);
    HistogramSum<lease::kHoldBounds.size()> hold_sum(kSecondsPerMs);
    HistogramSum<lease::kExpiryLagBounds.size()> lag_sum(kSecondsPerMs);
    for (SlotId worker = 0; worker < workers; ++worker) {
      hold_sum.Add(pool.leases->cell(worker).hold);
      lag_sum.Add(pool.leases->cell(worker).expiry_lag);
    }
    hold_sum.WriteTo(hold, {{"pool", name}});
    lag_sum.WriteTo(lag, {{"pool", name}});
  }
};

}  // namespace

void AppendLeaseMetrics(const CollectorSources& sources,
                        std::vector<prometheus::MetricFamily>& families) {
  LeaseFamilies all;
  for (const NamedPool& pool : sources.pools.pools()) all.Add(pool, sources.slots.slots());
  for (FamilyBuilder* const family :
       {&all.granted, &all.renewed, &all.returned, &all.expired, &all.revoked, &all.recovered,
        &all.active, &all.refusals, &all.hold, &all.lag}) {
    families.push_back(family->Take());
  }
}

}  // namespace objpool::server
