// What one worker counts of one pool's leases. Written by that worker alone, read by the collector.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "pool/base/cache_line.h"
#include "pool/base/counter.h"
#include "pool/base/histogram.h"
#include "server/lease/lease_table.h"

namespace objpool::lease {

inline constexpr std::size_t kOutcomes = 8;
static_assert(static_cast<std::size_t>(Outcome::kBadHandle) + 1 == kOutcomes);

// Bounds in milliseconds.
inline constexpr std::array<uint64_t, 13> kHoldBounds = {
    1, 5, 10, 50, 100, 500, 1000, 5000, 10'000, 60'000, 300'000, 3'600'000, 86'400'000};
inline constexpr std::array<uint64_t, 9> kExpiryLagBounds = {1,  2,   5,    10,    20,
                                                             50, 100, 1000, 10'000};

// Counts grants, not calls.
struct alignas(base::kCacheLineBytes) LeaseCell {
  base::Counter granted;
  base::Counter exhausted;    // calls that were answered so
  base::Counter over_quota;   // likewise
  base::Counter expired;      // grants that ran out, whoever noticed
  base::Counter recovered;    // grants of an earlier process that ran on in this one
  base::Counter quarantined;  // handles that went out of use, or were when the process began
  base::Counter reinstated;   // that came into use again
  base::Counter rests_begun;  // handles that began to rest, or did when the process began
  base::Counter rests_ended;
  std::array<base::Counter, kOutcomes> returns;
  std::array<base::Counter, kOutcomes> renewals;
  std::array<base::Counter, kOutcomes> revocations;
  base::Histogram<kHoldBounds.size()> hold{kHoldBounds};
  base::Counter waits_served;
  base::Counter waits_given_up;  // cancelled, or as long as they wanted
  base::Counter waited_ms;       // of those that were served
  base::Histogram<kExpiryLagBounds.size()> expiry_lag{kExpiryLagBounds};
};

// Sums over the workers of a pool, read while they count on.
struct LeaseTotals {
  uint64_t granted = 0;
  uint64_t renewed = 0;
  uint64_t returned = 0;
  uint64_t expired = 0;
  uint64_t revoked = 0;
  uint64_t recovered = 0;
  uint64_t quarantined = 0;
  uint64_t reinstated = 0;
  uint64_t rests_begun = 0;
  uint64_t rests_ended = 0;
  // Grants that are over, whoever ended them.
  [[nodiscard]] uint64_t ended() const { return returned + expired + revoked; }
  // Running grants; exact when nothing is leased or returned meanwhile.
  [[nodiscard]] uint64_t active() const {
    const uint64_t begun = granted + recovered;
    return begun > ended() ? begun - ended() : 0;
  }
};

}  // namespace objpool::lease
