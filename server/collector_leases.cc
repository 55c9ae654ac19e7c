// What became of grants.
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "server/collector.h"
#include "server/lease/lease_stats.h"
#include "server/metrics/families.h"

namespace objpool::server {
namespace {

using lease::Outcome;
using metrics::FamilyBuilder;

constexpr double kSecondsPerMs = 1e-3;

// Sums the histograms of all workers of a pool, and scales the unit to seconds.
template <std::size_t kBounds>
class HistogramSum {
 public:
  void Add(const base::Histogram<kBounds>& histogram) {
    for (std::size_t i = 0; i <= kBounds; ++i) buckets_[i] += histogram.buckets()[i].value();
    for (std::size_t i = 0; i < kBounds; ++i) {
      bounds_[i] = static_cast<double>(histogram.bounds()[i]) * kSecondsPerMs;
    }
    sum_ += histogram.sum();
  }
  void WriteTo(FamilyBuilder& family, const std::string& pool) const {
    std::array<uint64_t, kBounds> cumulative;
    uint64_t count = 0;
    for (std::size_t i = 0; i < kBounds; ++i) cumulative[i] = count += buckets_[i];
    count += buckets_[kBounds];
    family.AddHistogram(bounds_, cumulative, static_cast<double>(sum_) * kSecondsPerMs, count,
                        {{"pool", pool}});
  }

 private:
  std::array<double, kBounds> bounds_{};
  std::array<uint64_t, kBounds + 1> buckets_{};
  uint64_t sum_ = 0;
};

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
  FamilyBuilder granted = FamilyBuilder::Counter("objpool_leases_granted_total", "Grants made.");
  FamilyBuilder renewed = FamilyBuilder::Counter("objpool_leases_renewed_total", "Renewals made.");
  FamilyBuilder returned = FamilyBuilder::Counter("objpool_leases_returned_total",
                                                  "Grants that ended because they were returned.");
  FamilyBuilder expired = FamilyBuilder::Counter("objpool_leases_expired_total",
                                                 "Grants that ended because their time was over.");
  FamilyBuilder revoked = FamilyBuilder::Counter("objpool_leases_revoked_total",
                                                 "Grants that ended because they were revoked.");
  FamilyBuilder recovered = FamilyBuilder::Counter(
      "objpool_leases_recovered_total", "Grants of an earlier server that ran on in this one.");
  FamilyBuilder active = FamilyBuilder::Gauge("objpool_leases_active", "Grants that run.");
  FamilyBuilder refusals = FamilyBuilder::Counter(
      "objpool_lease_refusals_total",
      "Calls (verbs lease, revoke) or grants (verbs return, renew) that were refused, by reason.");
  FamilyBuilder hold = FamilyBuilder::Histogram(
      "objpool_lease_hold_seconds", "How long handles were held, from grant to its end.");
  FamilyBuilder lag = FamilyBuilder::Histogram(
      "objpool_lease_expiry_lag_seconds", "How long after its deadline a grant was taken back.");

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
    HistogramSum<lease::kHoldBounds.size()> hold_sum;
    HistogramSum<lease::kExpiryLagBounds.size()> lag_sum;
    for (SlotId worker = 0; worker < workers; ++worker) {
      hold_sum.Add(pool.leases->cell(worker).hold);
      lag_sum.Add(pool.leases->cell(worker).expiry_lag);
    }
    hold_sum.WriteTo(hold, name);
    lag_sum.WriteTo(lag, name);
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
