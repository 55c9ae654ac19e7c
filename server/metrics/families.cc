#include "server/metrics/families.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "pool/base/check.h"

namespace objpool::metrics {

FamilyBuilder::FamilyBuilder(const Metric& metric)
    : family_{.name = std::string(metric.name),
              .help = std::string(metric.help),
              .type = metric.type,
              .metric = {}} {}

void FamilyBuilder::AddValue(double value, Labels labels) {
  OBJPOOL_CHECK(family_.type != prometheus::MetricType::Histogram, "a histogram has no one value");
  prometheus::ClientMetric& metric = family_.metric.emplace_back();
  metric.label = std::move(labels);
  if (family_.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

FamilyBuilder& FamilyBuilder::AddHistogram(std::span<const double> upper_bounds,
                                           std::span<const uint64_t> cumulative_counts, double sum,
                                           uint64_t count, Labels labels) {
  OBJPOOL_CHECK(family_.type == prometheus::MetricType::Histogram, "the family is no histogram");
  OBJPOOL_CHECK(upper_bounds.size() == cumulative_counts.size(), "a count for each bound");
  OBJPOOL_CHECK(
      std::ranges::adjacent_find(upper_bounds, std::greater_equal()) == upper_bounds.end(),
      "bounds rise");
  OBJPOOL_CHECK(std::ranges::is_sorted(cumulative_counts), "cumulative counts never fall");
  OBJPOOL_CHECK(cumulative_counts.empty() || cumulative_counts.back() <= count,
                "a histogram counts all of its buckets");
  prometheus::ClientMetric& metric = family_.metric.emplace_back();
  metric.label = std::move(labels);
  metric.histogram.sample_count = count;
  metric.histogram.sample_sum = sum;
  metric.histogram.bucket.reserve(upper_bounds.size());
  for (std::size_t i = 0; i < upper_bounds.size(); ++i) {
    metric.histogram.bucket.push_back(
        {.cumulative_count = cumulative_counts[i], .upper_bound = upper_bounds[i]});
  }
  return *this;
}

}  // namespace objpool::metrics
