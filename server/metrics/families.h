// Builds metric families, and writes them in Prometheus' text format.
//
// A family has one type, and every sample that is added to it is of that type. Counts are exact up
// to 2^53.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace objpool::metrics {

using Labels = std::vector<prometheus::ClientMetric::Label>;

class FamilyBuilder {
 public:
  // `name` of a counter ends in "_total"; units are base units and come before that.
  [[nodiscard]] static FamilyBuilder Counter(std::string name, std::string help);
  [[nodiscard]] static FamilyBuilder Gauge(std::string name, std::string help);
  [[nodiscard]] static FamilyBuilder Histogram(std::string name, std::string help);

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
  FamilyBuilder(std::string name, std::string help, prometheus::MetricType type);
  void AddValue(double value, Labels labels);

  prometheus::MetricFamily family_;
};

// What Render writes, as a Content-Type.
inline constexpr std::string_view kTextContentType = "text/plain; version=0.0.4; charset=utf-8";
[[nodiscard]] std::string Render(const std::vector<prometheus::MetricFamily>& families);

}  // namespace objpool::metrics
