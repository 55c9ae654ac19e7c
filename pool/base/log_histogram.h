// LogHistogram: counts of 64-bit values in buckets that grow with the value, for percentiles.
//
// Each power of two is cut into 64 buckets of one width, so a percentile is never below the true
// one and at most 1/64 (1.6 %) above it; values below 128 are exact. Any value fits, the size is
// fixed (30 KB), nothing is allocated. Units are the caller's (after HdrHistogram's idea of
// buckets).
//
// Threads: one thread at a time records or merges into a histogram; any thread may read meanwhile,
// and then sees a value in its bucket and not yet in the sum or the maximum.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "pool/base/counter.h"

namespace objpool::base {

class LogHistogram {
 public:
  static constexpr uint32_t kSubBits = 6;
  static constexpr std::size_t kSub = std::size_t{1} << kSubBits;
  // The first two rows have width 1 and share the values below 128; then one row for each further
  // bit of the value.
  static constexpr std::size_t kBuckets = kSub * (64 - kSubBits + 1);

  void Record(uint64_t value) noexcept {
    buckets_[BucketOf(value)].Add();
    sum_.Add(value);
    RaiseMax(value);
  }

  // Adds all that `other` counted.
  void Merge(const LogHistogram& other) noexcept {
    for (std::size_t b = 0; b < kBuckets; ++b) {
      if (const uint64_t n = other.buckets_[b].value(); n != 0) buckets_[b].Add(n);
    }
    sum_.Add(other.sum());
    RaiseMax(other.max());
  }

  // Walks all buckets.
  [[nodiscard]] uint64_t count() const noexcept {
    uint64_t total = 0;
    for (const Counter& bucket : buckets_) total += bucket.value();
    return total;
  }
  [[nodiscard]] uint64_t sum() const noexcept { return sum_.value(); }
  [[nodiscard]] uint64_t max() const noexcept { return max_.load(std::memory_order_relaxed); }
  [[nodiscard]] double mean() const noexcept {
    const uint64_t n = count();
    return n == 0 ? 0 : static_cast<double>(sum()) / static_cast<double>(n);
  }

  // The value that a share `quantile` (0 .. 1) of all values does not exceed; 0 where there is
  // none.
  [[nodiscard]] uint64_t Quantile(double quantile) const noexcept {
    const uint64_t total = count();
    if (total == 0) return 0;
    // The rank is the quantile's ceiling: of 10 values, p90 is the ninth.
    const double wanted = std::clamp(quantile, 0.0, 1.0) * static_cast<double>(total);
    auto rank = static_cast<uint64_t>(wanted);
    if (static_cast<double>(rank) < wanted || rank == 0) ++rank;
    uint64_t seen = 0;
    for (std::size_t b = 0; b < kBuckets; ++b) {
      seen += buckets_[b].value();
      if (seen >= rank) return std::min(HighestOf(b), max());
    }
    return max();
  }

  [[nodiscard]] static constexpr std::size_t BucketOf(uint64_t value) noexcept {
    const auto width = static_cast<uint32_t>(std::bit_width(value));
    const uint32_t shift = width <= kSubBits + 1 ? 0 : width - (kSubBits + 1);
    return (std::size_t{shift} << kSubBits) + static_cast<std::size_t>(value >> shift);
  }
  // The highest value that a bucket counts.
  [[nodiscard]] static constexpr uint64_t HighestOf(std::size_t bucket) noexcept {
    const std::size_t shift = bucket < 2 * kSub ? 0 : (bucket >> kSubBits) - 1;
    const uint64_t sub = bucket - (shift << kSubBits);
    // For the last bucket the sum wraps to 0, and the difference to the highest value there is.
    return ((sub + 1) << shift) - 1;
  }

 private:
  void RaiseMax(uint64_t value) noexcept {
    if (value > max()) max_.store(value, std::memory_order_relaxed);
  }

  std::array<Counter, kBuckets> buckets_;
  Counter sum_;
  std::atomic<uint64_t> max_{0};
};

static_assert(LogHistogram::BucketOf(std::numeric_limits<uint64_t>::max()) + 1 ==
              LogHistogram::kBuckets);

}  // namespace objpool::base
