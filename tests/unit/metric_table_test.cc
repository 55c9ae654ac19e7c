// The table of metrics keeps to Prometheus' customs, and server/METRICS.md says what it says.
#include "server/metrics/metric_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

namespace objpool::metrics {
namespace {

const char* TypeName(const Metric& metric) {
  if (metric.type == prometheus::MetricType::Counter) return "counter";
  return metric.type == prometheus::MetricType::Gauge ? "gauge" : "histogram";
}

std::string Page() {
  std::ostringstream page;
  page << "# Metrics\n\n"
          "What `/metrics` shows, in its order. Made of `server/metrics/metric_table.h`; after a "
          "change there,\n`OBJPOOL_RENEW=1 build/release/bin/metric_table_test` makes it anew. "
          "`server/README.md` says more.\n\n"
          "| Name | Type | Labels | Meaning |\n|---|---|---|---|\n";
  for (const Metric& metric : kMetrics) {
    page << "| `" << metric.name << "` | " << TypeName(metric) << " | " << metric.labels << " | "
         << metric.help << " |\n";
  }
  return page.str();
}

TEST(MetricTable, ThePageSaysWhatTheTableSays) {
  if (std::getenv("OBJPOOL_RENEW") != nullptr) std::ofstream(OBJPOOL_METRICS_PAGE) << Page();
  std::ifstream file(OBJPOOL_METRICS_PAGE);
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(file), {}}), Page())
      << "OBJPOOL_RENEW=1 writes it";
}

TEST(MetricTable, NamesAreUniqueAndSayTypeAndUnit) {
  std::set<std::string_view> names;
  for (const Metric& metric : kMetrics) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_EQ(metric.name.ends_with("_total"), metric.type == prometheus::MetricType::Counter)
        << metric.name;
    if (metric.type == prometheus::MetricType::Histogram) {
      EXPECT_TRUE(metric.name.ends_with("_seconds")) << metric.name;
    }
    if (metric.name.ends_with("_info")) {
      EXPECT_TRUE(metric.help.starts_with("Always 1; ")) << metric.name;
    }
  }
}

TEST(MetricTable, HelpIsSentencesForATable) {
  for (const Metric& metric : kMetrics) {
    EXPECT_TRUE(metric.help.ends_with(".")) << metric.name;
    EXPECT_EQ(metric.help.find_first_of("|\n\\"), std::string_view::npos) << metric.name;
  }
}

}  // namespace
}  // namespace objpool::metrics
