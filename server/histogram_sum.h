// HistogramSum: the histograms of several workers as one, in the unit of its metric.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "pool/base/histogram.h"
#include "server/metrics/families.h"

namespace objpool::server {

template <std::size_t kBounds>
class HistogramSum {
 public:
  // What one unit of the histograms is in the metric: 1e-3 for milliseconds and "_seconds".
  explicit HistogramSum(double unit) : unit_(unit) {}

  void Add(const base::Histogram<kBounds>& histogram) {
    for (std::size_t i = 0; i <= kBounds; ++i) buckets_[i] += histogram.buckets()[i].value();
    for (std::size_t i = 0; i < kBounds; ++i) {
      bounds_[i] = static_cast<double>(histogram.bounds()[i]) * unit_;
    }
    sum_ += histogram.sum();
  }
  void WriteTo(metrics::FamilyBuilder& family, metrics::Labels labels) const {
    std::array<uint64_t, kBounds> cumulative;
    uint64_t count = 0;
    for (std::size_t i = 0; i < kBounds; ++i) cumulative[i] = count += buckets_[i];
    count += buckets_[kBounds];
    family.AddHistogram(bounds_, cumulative, static_cast<double>(sum_) * unit_, count,
                        std::move(labels));
  }

 private:
  const double unit_;
  std::array<double, kBounds> bounds_{};
  std::array<uint64_t, kBounds + 1> buckets_{};
  uint64_t sum_ = 0;
};

}  // namespace objpool::server
