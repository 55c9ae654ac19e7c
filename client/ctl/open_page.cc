#include "client/ctl/open_page.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/ctl/open_page_style.h"
#include "client/ctl/svg_chart.h"
#include "client/ctl/table.h"

namespace objpool::client {
namespace {

using load::OpenLoopSecond;

// As the JSON has them.
std::string Exact(double number) { return Decimal(number, 3); }
std::string UsText(uint64_t ns) { return Exact(static_cast<double>(ns) / 1000); }
double Us(uint64_t ns) { return static_cast<double>(ns) / 1000; }

std::string TextOf(const std::string& text) { return text; }
std::string TextOf(double number) { return Exact(number); }
std::string TextOf(int64_t number) { return std::to_string(number); }
std::string TextOf(bool truth) { return truth ? "yes" : "no"; }

// 10^power microseconds.
std::string PowerOfUs(double power) {
  const double us = std::pow(10, power);
  if (us >= 1e6) return Decimal(us / 1e6, 0) + " s";
  if (us >= 1e3) return Decimal(us / 1e3, 0) + " ms";
  return Decimal(us, us < 1 ? 1 : 0) + " us";
}

struct Latency {
  const char* name;
  const base::LogHistogram& values;
  std::size_t style;
};

class Page {
 public:
  Page(const OpenReport& report, std::ostream& out)
      : report_(report), result_(*report.run.result), out_(out) {}

  void Write() {
    out_ << "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
            "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
            "content=\"width=device-width, initial-scale=1\"/>\n<title>objpoolctl bench: "
         << Escaped(report_.run.options.pool) << "</title>\n<style>" << kPageStyle
         << "</style>\n</head>\n<body>\n";
    Head();
    Verdicts();
    Tiles();
    Latencies();
    PercentileChart();
    CallsChart();
    SecondsChart();
    Facts();
    Seconds();
    Result();
    out_ << "</body>\n</html>\n";
  }

 private:
  // Those that there are any of.
  [[nodiscard]] std::vector<Latency> Measured() const {
    std::vector<Latency> all;
    for (const Latency& one :
         {Latency{"lease", result_.lease_ns, 0}, Latency{"return", result_.return_ns, 1},
          Latency{"renew", result_.renew_ns, 2}, Latency{"late", result_.late_ns, 3}}) {
      if (one.values.count() != 0) all.push_back(one);
    }
    return all;
  }

  void Head() {
    out_ << "<h1>Pool " << Escaped(report_.run.options.pool) << " at " << Escaped(report_.server)
         << "</h1>\n<p class=\"dim\">objpoolctl bench --rate: "
         << Decimal(report_.run.options.rate, 1) << " cycles/s wanted, latencies from the intended "
         << "start of each call" << (report_.interrupted ? "; interrupted" : "") << "</p>\n";
  }

  void Verdict(bool good, const char* word, const std::string& text) {
    out_ << "<p class=\"verdict" << (good ? "" : " bad") << "\"><b>" << word << "</b> "
         << Escaped(text) << "</p>\n";
  }
  void Verdicts() {
    const std::string why = result_.WhyInvalid();
    Verdict(why.empty(), why.empty() ? "VALID" : "INVALID",
            why.empty() ? "the load kept its own schedule" : why);
    if (report_.run.ledger == nullptr) return;
    const bool good = report_.run.ledger->violations() == 0;
    Verdict(good, good ? "VERIFIED" : "VIOLATED",
            std::to_string(report_.run.ledger->checks()) +
                " statements of the server were checked, " +
                std::to_string(report_.run.ledger->violations()) + " of them false" +
                (good ? "" : ": " + report_.run.ledger->violation()));
  }

  void Tile(const std::string& number, const char* what) {
    out_ << "<div class=\"tile\"><b>" << number << "</b><span>" << what << "</span></div>\n";
  }
  void Tiles() {
    const base::LogHistogram& leases = result_.lease_ns;
    const auto us = [&](uint64_t ns) {
      return leases.count() == 0 ? "-" : Decimal(Us(ns), 1) + " us";
    };
    out_ << "<div class=\"tiles\">\n";
    Tile(Decimal(result_.cycles_per_s(), 1), "cycles/s");
    Tile(us(leases.Quantile(0.5)), "lease, p50");
    Tile(us(leases.Quantile(0.99)), "lease, p99");
    Tile(us(leases.Quantile(0.999)), "lease, p99.9");
    Tile(us(leases.max()), "lease, the slowest");
    out_ << "</div>\n";
  }

  void Table(const char* id, const std::vector<Row>& rows) {
    out_ << "<div class=\"scroll\"><table id=\"" << id << "\">\n";
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const char* const cell = i == 0 ? "th" : "td";
      out_ << "<tr>";
      for (const std::string& text : rows[i]) {
        out_ << '<' << cell << '>' << Escaped(text) << "</" << cell << '>';
      }
      out_ << "</tr>\n";
    }
    out_ << "</table></div>\n";
  }

  void Latencies() {
    Row heading = {"us"};
    for (const LatencyShare& share : kLatencyShares) heading.push_back(share.shown);
    heading.insert(heading.end(), {"max", "mean", "count"});
    std::vector<Row> rows = {heading};
    for (const Latency& one : Measured()) {
      Row row = {one.name};
      for (const LatencyShare& share : kLatencyShares) {
        row.push_back(UsText(one.values.Quantile(share.quantile)));
      }
      row.push_back(UsText(one.values.max()));
      row.push_back(Exact(one.values.mean() / 1000));
      row.push_back(std::to_string(one.values.count()));
      rows.push_back(row);
    }
    out_ << "<h2>Latency</h2>\n";
    Table("latency", rows);
    out_ << "<p class=\"dim\">late: how late the load itself was when it began its cycles</p>\n";
  }

  void Chart(const SvgChart& chart) {
    out_ << "<h2>" << Escaped(chart.title) << "</h2>\n";
    WriteSvg(chart, out_);
    out_ << "<ul class=\"legend\">\n";
    for (const ChartLine& line : chart.lines) {
      out_ << "<li class=\"s" << line.style << "\">&#9632; <span>" << Escaped(line.name)
           << "</span></li>\n";
    }
    out_ << "</ul>\n";
  }

  // One place to the right for each nine more.
  void PercentileChart() {
    constexpr double kMostNines = 6;
    constexpr double kStep = 0.05;
    double nines = 1;
    double most_us = 1;
    double least_us = 1e9;
    SvgChart chart{.title = "Latency by percentile", .x = {}, .y = {}, .lines = {}, .shades = {}};
    for (const Latency& one : Measured()) {
      const double all = std::log10(static_cast<double>(one.values.count()));
      std::vector<ChartPoint> points;
      for (double at = 0; at <= std::min(all, kMostNines); at += kStep) {
        const double us = std::max(Us(one.values.Quantile(1 - std::pow(10, -at))), 0.1);
        points.push_back({at, std::log10(us), {}});
        least_us = std::min(least_us, us);
        most_us = std::max(most_us, us);
      }
      nines = std::max(nines, std::min(std::ceil(all), kMostNines));
      chart.lines.push_back({one.name, one.style, {std::move(points)}});
    }
    if (chart.lines.empty()) return;
    constexpr std::array<const char*, 7> kNames = {"all",    "p90",     "p99",     "p99.9",
                                                   "p99.99", "p99.999", "p99.9999"};
    chart.x = {.label = "share of the calls", .from = 0, .to = nines, .ticks = {}};
    for (std::size_t i = 0; static_cast<double>(i) <= nines; ++i) {
      chart.x.ticks.push_back({static_cast<double>(i), kNames[i]});
    }
    chart.y = LogAxis("took at most", least_us, most_us, PowerOfUs);
    Chart(chart);
  }

  // A chart of seconds, those that were not measured in a shade.
  [[nodiscard]] SvgChart OfSeconds(const char* title) const {
    const auto count = static_cast<double>(result_.seconds.size());
    SvgChart chart{
        .title = title, .x = LinearAxis("seconds", count), .y = {}, .lines = {}, .shades = {}};
    chart.x.to = std::max(count, 1.0);
    std::erase_if(chart.x.ticks, [&](const ChartTick& tick) { return tick.at > chart.x.to; });
    for (std::size_t i = 0; i < result_.seconds.size(); ++i) {
      if (result_.seconds[i].phase == load::OpenLoopPhase::kMeasured) continue;
      const auto from = static_cast<double>(i);
      chart.shades.push_back({from, from + 1});
    }
    return chart;
  }

  // A point in the middle of each second; where the value says nothing, there is a gap.
  template <typename Value, typename Place>
  [[nodiscard]] ChartLine LineOf(const char* name, std::size_t style, const char* unit, Value value,
                                 Place place) const {
    constexpr std::size_t kMostDots = 120;
    ChartLine line{.name = name, .style = style, .parts = {{}}};
    for (std::size_t i = 0; i < result_.seconds.size(); ++i) {
      const double number = value(result_.seconds[i]);
      if (number < 0) {
        if (!line.parts.back().empty()) line.parts.emplace_back();
        continue;
      }
      std::string text;
      if (result_.seconds.size() <= kMostDots) {
        text = std::string(name) + ", second " + std::to_string(i + 1) + ": " + Decimal(number, 1) +
               unit;
      }
      line.parts.back().push_back({static_cast<double>(i) + 0.5, place(number), text});
    }
    if (line.parts.back().empty()) line.parts.pop_back();
    return line;
  }

  void CallsChart() {
    if (result_.seconds.empty()) return;
    SvgChart chart = OfSeconds("Calls each second");
    double most = 1;
    const auto add = [&](const char* name, std::size_t style, uint64_t OpenLoopSecond::*member) {
      uint64_t highest = 0;
      for (const OpenLoopSecond& second : result_.seconds) {
        highest = std::max(highest, second.*member);
      }
      if (highest == 0) return;
      most = std::max(most, static_cast<double>(highest));
      chart.lines.push_back(LineOf(
          name, style, "",
          [member](const OpenLoopSecond& second) { return static_cast<double>(second.*member); },
          [](double number) { return number; }));
    };
    add("leased", 0, &OpenLoopSecond::leased);
    add("returned", 1, &OpenLoopSecond::returned);
    add("renewed", 2, &OpenLoopSecond::renewed);
    add("begun", 3, &OpenLoopSecond::begun);
    add("exhausted", 4, &OpenLoopSecond::exhausted);
    add("failed", 5, &OpenLoopSecond::failed);
    chart.y = LinearAxis("calls", most);
    Chart(chart);
  }

  void SecondsChart() {
    double most_us = 0;
    double least_us = 1e9;
    for (const OpenLoopSecond& second : result_.seconds) {
      if (second.leased == 0) continue;
      most_us = std::max(most_us, Us(second.max_ns));
      least_us = std::min(least_us, std::max(Us(second.p50_ns), 0.1));
    }
    if (most_us == 0) return;
    SvgChart chart = OfSeconds("Latency of leases each second");
    const auto add = [&](const char* name, std::size_t style, uint64_t OpenLoopSecond::*member) {
      chart.lines.push_back(LineOf(
          name, style, " us",
          [member](const OpenLoopSecond& second) {
            return second.leased == 0 ? -1 : std::max(Us(second.*member), 0.1);
          },
          [](double us) { return std::log10(us); }));
    };
    add("p50", 0, &OpenLoopSecond::p50_ns);
    add("p99", 2, &OpenLoopSecond::p99_ns);
    add("max", 4, &OpenLoopSecond::max_ns);
    chart.y = LogAxis("took at most", least_us, most_us, PowerOfUs);
    Chart(chart);
  }

  void Facts() {
    std::vector<Row> options = {{"option", "value"}};
    for (const auto& [name, value] : OptionValues(report_.run.options)) {
      options.push_back({name, std::visit([](const auto& given) { return TextOf(given); }, value)});
    }
    out_ << "<h2>What was asked</h2>\n";
    Table("options", options);
    out_ << "<h2>The whole run, with ramp and warm-up</h2>\n";
    std::vector<Row> rows = {{"count", "value"}};
    for (const auto& [name, count] : CountsOf(result_)) {
      rows.push_back({name, std::to_string(count)});
    }
    Table("whole_run", rows);
    std::ostringstream delta;
    WriteDelta(report_.run.delta, delta);
    std::string line = delta.str();
    line.pop_back();
    out_ << "<p class=\"dim\">" << Escaped(line) << "</p>\n";
  }

  void Seconds() {
    std::vector<Row> rows = {{"second", "measured", "begun", "leased", "renewed", "returned",
                              "exhausted", "failed", "p50 us", "p99 us", "max us"}};
    for (std::size_t i = 0; i < result_.seconds.size(); ++i) {
      const OpenLoopSecond& second = result_.seconds[i];
      Row row = {std::to_string(i + 1),
                 second.phase == load::OpenLoopPhase::kMeasured ? "yes" : "no"};
      for (const uint64_t count : {second.begun, second.leased, second.renewed, second.returned,
                                   second.exhausted, second.failed}) {
        row.push_back(std::to_string(count));
      }
      for (const uint64_t ns : {second.p50_ns, second.p99_ns, second.max_ns}) {
        row.push_back(UsText(ns));
      }
      rows.push_back(row);
    }
    out_ << "<details><summary>Second by second</summary>\n";
    Table("seconds", rows);
    out_ << "</details>\n";
  }

  // For programs. What could end the element, or be no XML, is written as JSON's escapes.
  void Result() {
    std::ostringstream json;
    WriteJson(report_, json);
    out_ << "<script type=\"application/json\" id=\"result\">";
    for (const char letter : json.str()) {
      switch (letter) {
        case '<':
          out_ << "\\u003c";
          break;
        case '>':
          out_ << "\\u003e";
          break;
        case '&':
          out_ << "\\u0026";
          break;
        default:
          out_ << letter;
      }
    }
    out_ << "</script>\n";
  }

  const OpenReport& report_;
  const load::OpenLoopResult& result_;
  std::ostream& out_;
};

}  // namespace

void WritePage(const OpenReport& report, std::ostream& out) { Page(report, out).Write(); }

}  // namespace objpool::client
