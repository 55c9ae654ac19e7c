// Builds metric families.
//
// A family has one type, and every sample that is added to it is of that type. Counts are exact up
// to 2^53.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "server/metrics/metric_table.h"

namespace objpool::metrics {

using Labels = std::vector<prometheus::ClientMetric::Label>;

class FamilyBuilder {
 public:
  // Of the table: FamilyBuilder("objpool_leases_active").
  explicit FamilyBuilder(KnownMetric metric) : FamilyBuilder(*metric) {}
  explicit FamilyBuilder(const Metric& metric);

  // One sample of a counter or a gauge. No two may have equal labels.
  template <typename Number>
  requires std::is_arithmetic_v<Number> FamilyBuilder& Add(Number value, Labels labels = {}) {
    AddValue(static_cast<double>(value), std::move(labels));
    return *this;
  }

  // One sample of a histogram. `upper_bounds` rise, in the unit of the name; `cumulative_counts`
  // are as many and never fall; `count` is not below the last of them, and makes the bucket of
  // +Inf.
  FamilyBuilder& AddHistogram(std::span<const double> upper_bounds,
                              std::span<const uint64_t> cumulative_counts, double sum,
                              uint64_t count, Labels labels = {});

  // The family, which leaves the builder.
  [[nodiscard]] prometheus::MetricFamily Take() { return std::move(family_); }

 private:
  void AddValue(double value, Labels labels);

  prometheus::MetricFamily family_;
};

}  // namespace objpool::metrics
