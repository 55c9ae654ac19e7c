// OpenMetrics text: who gets it, and what it looks like. (tests/e2e/pages_test.py has a strict
// reader.)
#include "server/metrics/exposition.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "server/metrics/families.h"

namespace objpool::metrics {
namespace {

std::string RenderOne(FamilyBuilder& builder) {
  std::vector<prometheus::MetricFamily> families;
  families.push_back(builder.Take());
  return RenderOpenMetrics(families);
}

TEST(OpenMetrics, IsForThoseWhoWouldRatherHaveIt) {
  EXPECT_TRUE(WantsOpenMetrics("application/openmetrics-text"));
  EXPECT_TRUE(
      WantsOpenMetrics("application/openmetrics-text;version=1.0.0;q=0.5,"
                       "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"));
  EXPECT_FALSE(WantsOpenMetrics("text/plain,application/openmetrics-text;q=0.5"));
  EXPECT_FALSE(WantsOpenMetrics("application/openmetrics-text;q=0"));
  EXPECT_FALSE(WantsOpenMetrics("application/openmetrics-text;q=nothing"));
  EXPECT_FALSE(WantsOpenMetrics("*/*"));
  EXPECT_FALSE(WantsOpenMetrics(""));
  EXPECT_FALSE(WantsOpenMetrics(",,;,"));
}

TEST(OpenMetrics, NamesOfCountersEndInTotalButNotThoseOfTheirFamilies) {
  FamilyBuilder builder(
      Metric{"objpool_leases_total", prometheus::MetricType::Counter, "", "\"Leases\".\n"});
  builder.Add(uint64_t{3}, {{"pool", "q\"\\\n"}});
  EXPECT_EQ(RenderOne(builder),
            "# HELP objpool_leases \\\"Leases\\\".\\n\n"
            "# TYPE objpool_leases counter\n"
            "objpool_leases_total{pool=\"q\\\"\\\\\\n\"} 3\n"
            "# EOF\n");
}

TEST(OpenMetrics, HistogramsEndInInfinity) {
  FamilyBuilder builder(
      Metric{"objpool_hold_seconds", prometheus::MetricType::Histogram, "", "Held."});
  builder.AddHistogram(std::array{0.5, 1.0}, std::array<uint64_t, 2>{1, 2}, 7.25, 3);
  EXPECT_EQ(RenderOne(builder),
            "# HELP objpool_hold_seconds Held.\n"
            "# TYPE objpool_hold_seconds histogram\n"
            "objpool_hold_seconds_bucket{le=\"0.5\"} 1\n"
            "objpool_hold_seconds_bucket{le=\"1.0\"} 2\n"
            "objpool_hold_seconds_bucket{le=\"+Inf\"} 3\n"
            "objpool_hold_seconds_count 3\n"
            "objpool_hold_seconds_sum 7.25\n"
            "# EOF\n");
}

TEST(OpenMetrics, NothingIsAWholeTextToo) { EXPECT_EQ(RenderOpenMetrics({}), "# EOF\n"); }

}  // namespace
}  // namespace objpool::metrics
