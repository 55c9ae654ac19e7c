// Metric families, as Prometheus reads them.
#include "server/metrics/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "server/metrics/exposition.h"
#include "server/metrics/process_metrics.h"

namespace objpool::metrics {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string RenderOne(FamilyBuilder& builder) {
  std::vector<prometheus::MetricFamily> families;
  families.push_back(builder.Take());
  return Render(families);
}

TEST(MetricFamilies, CountersAreWrittenWithTheirLabels) {
  FamilyBuilder builder(
      Metric{"objpool_leases_total", prometheus::MetricType::Counter, "", "Leases."});
  builder.Add(uint64_t{3}, {{"pool", "a"}, {"cpu", "0"}}).Add(0.5, {{"pool", "q\"\\\n"}});
  EXPECT_EQ(RenderOne(builder),
            "# HELP objpool_leases_total Leases.\n"
            "# TYPE objpool_leases_total counter\n"
            "objpool_leases_total{pool=\"a\",cpu=\"0\"} 3\n"
            "objpool_leases_total{pool=\"q\\\"\\\\\\n\"} 0.5\n");
}

TEST(MetricFamilies, WholeNumbersAreExactUpTo2To53) {
  FamilyBuilder builder(Metric{"objpool_free_handles", prometheus::MetricType::Gauge, "", "Free."});
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{16'777'217}, (uint64_t{1} << 53) - 1, uint64_t{1} << 53}) {
    builder.Add(value, {{"n", std::to_string(value)}});
  }
  EXPECT_THAT(RenderOne(builder),
              AllOf(HasSubstr("} 0\n"), HasSubstr("} 16777217\n"),
                    HasSubstr("} 9007199254740991\n"), HasSubstr("} 9007199254740992\n")));
}

TEST(MetricFamilies, HistogramsEndWithInfinity) {
  constexpr std::array<double, 3> kBounds = {5e-6, 0.001, 1};
  constexpr std::array<uint64_t, 3> kCounts = {1, 4, 9};
  FamilyBuilder builder(
      Metric{"objpool_wait_seconds", prometheus::MetricType::Histogram, "", "Wait."});
  builder.AddHistogram(kBounds, kCounts, 12.25, (uint64_t{1} << 53) + 1, {{"pool", "a"}});
  EXPECT_EQ(RenderOne(builder),
            "# HELP objpool_wait_seconds Wait.\n"
            "# TYPE objpool_wait_seconds histogram\n"
            "objpool_wait_seconds_bucket{pool=\"a\",le=\"5e-06\"} 1\n"
            "objpool_wait_seconds_bucket{pool=\"a\",le=\"0.001\"} 4\n"
            "objpool_wait_seconds_bucket{pool=\"a\",le=\"1\"} 9\n"
            "objpool_wait_seconds_bucket{pool=\"a\",le=\"+Inf\"} 9007199254740993\n"
            "objpool_wait_seconds_count{pool=\"a\"} 9007199254740993\n"
            "objpool_wait_seconds_sum{pool=\"a\"} 12.25\n");
}

TEST(MetricFamiliesDeathTest, ABrokenHistogramIsABug) {
  constexpr std::array<double, 2> kBounds = {1, 2};
  constexpr std::array<uint64_t, 2> kCounts = {3, 4};
  FamilyBuilder builder(Metric{"a_seconds", prometheus::MetricType::Histogram, "", "A."});
  EXPECT_DEATH(builder.AddHistogram(std::array<double, 2>{2, 2}, kCounts, 0, 4), "bounds rise");
  EXPECT_DEATH(builder.AddHistogram(kBounds, std::array<uint64_t, 2>{4, 3}, 0, 4), "never fall");
  EXPECT_DEATH(builder.AddHistogram(kBounds, kCounts, 0, 3), "counts all");
  EXPECT_DEATH(builder.AddHistogram(kBounds, std::array<uint64_t, 1>{1}, 0, 3), "for each bound");
  EXPECT_DEATH(builder.Add(1), "no one value");
}

TEST(ProcessMetrics, AreAllThereAndSensible) {
  std::vector<prometheus::MetricFamily> families;
  AppendProcessMetrics(families);
  const auto value = [&](const std::string& name) {
    for (const prometheus::MetricFamily& family : families) {
      if (family.name != name) continue;
      EXPECT_EQ(family.metric.size(), 1u);
      const prometheus::ClientMetric& metric = family.metric.front();
      return family.type == prometheus::MetricType::Counter ? metric.counter.value
                                                            : metric.gauge.value;
    }
    ADD_FAILURE() << name << " is missing";
    return -1.0;
  };
  EXPECT_EQ(families.size(), 7u);
  EXPECT_GE(value("process_cpu_seconds_total"), 0);
  EXPECT_GT(value("process_resident_memory_bytes"), 100'000);
  EXPECT_GT(value("process_virtual_memory_bytes"), value("process_resident_memory_bytes"));
  EXPECT_GE(value("process_open_fds"), 1);
  EXPECT_GT(value("process_max_fds"), value("process_open_fds"));
  EXPECT_GE(value("process_threads"), 1);
  EXPECT_GT(value("process_start_time_seconds"), 1e9);
}

TEST(ProcessMetrics, TheNameOfTheCommandDoesNotConfuse) {
  const std::optional<ProcStat> stat = ParseProcStat(
      "1 (a) 9 (b) R -1 2 3 4 -5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->cpu_ticks, 11u + 12u);
  EXPECT_EQ(stat->threads, 17u);
  EXPECT_EQ(stat->start_ticks, 19u);
  EXPECT_EQ(stat->virtual_bytes, 20u);
  EXPECT_EQ(stat->resident_pages, 21u);
  for (const char* const text : {"", "1 2 3", ")", "1 (a) R 1 2 3"}) {
    EXPECT_FALSE(ParseProcStat(text)) << text;
  }
}

// Skipped where Prometheus' own checker is not installed.
TEST(MetricFamilies, PromtoolFindsNothingToSay) {
  if (std::system("command -v promtool >/dev/null") != 0) GTEST_SKIP() << "no promtool";
  std::vector<prometheus::MetricFamily> families;
  AppendProcessMetrics(families);
  families.push_back(
      FamilyBuilder(Metric{"objpool_leases_total", prometheus::MetricType::Counter, "", "Leases."})
          .Add(3, {{"pool", "a"}})
          .Take());
  families.push_back(
      FamilyBuilder(Metric{"objpool_wait_seconds", prometheus::MetricType::Histogram, "", "Wait."})
          .AddHistogram(std::array<double, 2>{1e-5, 1}, std::array<uint64_t, 2>{1, 4}, 2.5, 5,
                        {{"pool", "a"}})
          .Take());
  FILE* const promtool = popen("promtool check metrics", "w");
  ASSERT_NE(promtool, nullptr);
  const std::string text = Render(families);
  EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), promtool), text.size());
  EXPECT_EQ(pclose(promtool), 0);
}

}  // namespace
}  // namespace objpool::metrics
