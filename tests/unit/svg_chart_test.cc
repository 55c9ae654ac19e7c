// Charts: places, axes, and text that cannot break the page.
#include "client/ctl/svg_chart.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace objpool::client {
namespace {

std::string Drawn(const SvgChart& chart) {
  std::ostringstream out;
  WriteSvg(chart, out);
  return out.str();
}

TEST(SvgChart, TextIsEscaped) {
  EXPECT_EQ(Escaped("<b>&\"'"), "&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(Escaped("a\x1b[1m"), "a\\x1b[1m");
  SvgChart chart{.title = "<script>", .x = {}, .y = {}, .lines = {}, .shades = {}};
  chart.lines.push_back({"a<b", 0, {{{0.5, 0.5, "x\"y"}}}});
  EXPECT_EQ(Drawn(chart).find("<script>"), std::string::npos);
  EXPECT_NE(Drawn(chart).find("<title>a&lt;b</title>"), std::string::npos);
  EXPECT_NE(Drawn(chart).find("<title>x&quot;y</title>"), std::string::npos);
}

TEST(SvgChart, ALineGoesFromCornerToCorner) {
  SvgChart chart{.title = "t", .x = {}, .y = {}, .lines = {}, .shades = {}};
  chart.x = {.label = "x", .from = 10, .to = 20, .ticks = {}};
  chart.y = {.label = "y", .from = 0, .to = 4, .ticks = {}};
  // The last one is beyond both axes.
  chart.lines.push_back({"a", 2, {{{10, 0, {}}, {15, 2, {}}, {99, 99, {}}}}});
  const std::string drawn = Drawn(chart);
  EXPECT_NE(drawn.find("<g class=\"s2\">"), std::string::npos);
  EXPECT_NE(drawn.find("d=\"M70.0 254.0L449.0 133.0L828.0 12.0\""), std::string::npos) << drawn;
}

TEST(SvgChart, LinearAxesHaveRoundStepsAndFewOfThem) {
  for (const double most : {0.0, 1.0, 7.0, 12.0, 99.0, 100.0, 101.0, 4321.0, 1e6, 123456789.0}) {
    const ChartAxis axis = LinearAxis("n", most);
    EXPECT_GE(axis.to, most);
    EXPECT_GE(axis.ticks.size(), 2u) << most;
    EXPECT_LE(axis.ticks.size(), 7u) << most;
    EXPECT_EQ(axis.ticks.back().at, axis.to);
  }
  EXPECT_EQ(LinearAxis("n", 12).ticks[1].text, "2");
  EXPECT_EQ(LinearAxis("n", 4321).ticks[1].text, "1000");
}

TEST(SvgChart, LogarithmicAxesReachFromPowerToPower) {
  const auto name = [](double power) { return std::to_string(static_cast<int>(power)); };
  const ChartAxis axis = LogAxis("us", 15, 2500, name);
  EXPECT_EQ(axis.from, 1);
  EXPECT_EQ(axis.to, 4);
  EXPECT_EQ(axis.ticks.size(), 4u);
  EXPECT_EQ(axis.ticks[2].text, "3");
  // Never of no length.
  EXPECT_EQ(LogAxis("us", 10, 10, name).to, 2);
}

}  // namespace
}  // namespace objpool::client
