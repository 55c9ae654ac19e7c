// Histogram: counts of values between fixed bounds, with one writer and any readers.
//
// The bounds are the ones that are exported, so nothing is rounded on the way out. Units are the
// caller's. Reading while the writer writes may see a value in a bucket and not yet in the sum.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "pool/base/counter.h"

namespace objpool::base {

template <std::size_t kBounds>
class Histogram {
 public:
  using Bounds = std::array<uint64_t, kBounds>;

  // `bounds` must rise and must outlive the histogram (a constexpr array does).
  explicit Histogram(const Bounds& bounds) noexcept : bounds_(&bounds) {}

  // Counts one value: in the first bucket whose bound is not below it, or in the last.
  void Observe(uint64_t value) noexcept {
    std::size_t bucket = 0;
    for (const uint64_t bound : *bounds_) bucket += value > bound ? 1 : 0;
    buckets_[bucket].Add();
    sum_.Add(value);
  }

  [[nodiscard]] const Bounds& bounds() const noexcept { return *bounds_; }
  // Not cumulative; one more than there are bounds.
  [[nodiscard]] std::span<const Counter, kBounds + 1> buckets() const noexcept { return buckets_; }
  [[nodiscard]] uint64_t sum() const noexcept { return sum_.value(); }

 private:
  const Bounds* bounds_;
  std::array<Counter, kBounds + 1> buckets_;
  Counter sum_;
};

}  // namespace objpool::base
