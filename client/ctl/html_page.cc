#include "client/ctl/html_page.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <ostream>

#include "client/ctl/html_page_style.h"
#include "client/ctl/latency_text.h"
#include "client/text.h"

namespace objpool::client {
namespace {

// The least that has a place on an axis of powers.
constexpr double kLeastUs = 0.1;

// 10^power microseconds.
std::string PowerOfUs(double power) {
  const double us = std::pow(10, power);
  if (us >= 1e6) return Decimal(us / 1e6, 0) + " s";
  if (us >= 1e3) return Decimal(us / 1e3, 0) + " ms";
  return Decimal(us, us < 1 ? 1 : 0) + " us";
}

SvgChart OfSeconds(const char* title, const std::vector<bool>& measured) {
  const auto count = static_cast<double>(measured.size());
  SvgChart chart{
      .title = title, .x = LinearAxis("seconds", count), .y = {}, .lines = {}, .shades = {}};
  chart.x.to = std::max(count, 1.0);
  std::erase_if(chart.x.ticks, [&](const ChartTick& tick) { return tick.at > chart.x.to; });
  for (std::size_t i = 0; i < measured.size(); ++i) {
    const auto from = static_cast<double>(i);
    if (!measured[i]) chart.shades.push_back({from, from + 1});
  }
  return chart;
}

// A point in the middle of each second; where the value says nothing, there is a gap.
template <typename Place>
ChartLine LineOf(const SecondsLine& seconds, const char* unit, Place place) {
  constexpr std::size_t kMostDots = 120;
  ChartLine line{.name = seconds.name, .style = seconds.style, .parts = {{}}};
  for (std::size_t i = 0; i < seconds.values.size(); ++i) {
    const double number = seconds.values[i];
    if (number < 0) {
      if (!line.parts.back().empty()) line.parts.emplace_back();
      continue;
    }
    std::string text;
    if (seconds.values.size() <= kMostDots) {
      text = line.name + ", second " + std::to_string(i + 1) + ": " + Decimal(number, 1) + unit;
    }
    line.parts.back().push_back({static_cast<double>(i) + 0.5, place(number), text});
  }
  if (line.parts.back().empty()) line.parts.pop_back();
  return line;
}

Exit CannotWrite(const std::string& path, Console& console) {
  return Fail(console, Exit::kRefused,
              "cannot write " + Printable(path) + ": " + std::strerror(errno));
}

}  // namespace

HtmlPage::HtmlPage(std::string_view pool, std::string_view server, std::string_view what,
                   std::ostream& out)
    : out_(out) {
  out_ << "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
          "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
          "content=\"width=device-width, initial-scale=1\"/>\n<title>objpoolctl bench: "
       << Escaped(pool) << "</title>\n<style>" << kPageStyle
       << "</style>\n</head>\n<body>\n<h1>Pool " << Escaped(pool) << " at " << Escaped(server)
       << "</h1>\n";
  Note(what);
}

void HtmlPage::Section(std::string_view title) { out_ << "<h2>" << Escaped(title) << "</h2>\n"; }

void HtmlPage::Note(std::string_view text) {
  out_ << "<p class=\"dim\">" << Escaped(text) << "</p>\n";
}

void HtmlPage::Verdict(bool good, std::string_view word, std::string_view text) {
  out_ << "<p class=\"verdict" << (good ? "" : " bad") << "\"><b>" << word << "</b> "
       << Escaped(text) << "</p>\n";
}

void HtmlPage::Tiles(const std::vector<std::pair<std::string, const char*>>& numbers) {
  out_ << "<div class=\"tiles\">\n";
  for (const auto& [number, what] : numbers) {
    out_ << "<div class=\"tile\"><b>" << number << "</b><span>" << what << "</span></div>\n";
  }
  out_ << "</div>\n";
}

void HtmlPage::Table(const char* id, const std::vector<Row>& rows) {
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

void HtmlPage::FoldedTable(std::string_view summary, const char* id, const std::vector<Row>& rows) {
  out_ << "<details><summary>" << Escaped(summary) << "</summary>\n";
  Table(id, rows);
  out_ << "</details>\n";
}

void HtmlPage::Latencies(const std::vector<NamedLatency>& latencies) {
  constexpr int kDigits = 3;  // as the JSON has them
  std::vector<Row> rows = {LatencyHeading()};
  for (const NamedLatency& one : latencies) {
    if (one.values.count() != 0) rows.push_back(LatencyRow(one.name, one.values, kDigits));
  }
  Section("Latency");
  Table("latency", rows);
}

void HtmlPage::Chart(const SvgChart& chart) {
  Section(chart.title);
  WriteSvg(chart, out_);
  out_ << "<ul class=\"legend\">\n";
  for (const ChartLine& line : chart.lines) {
    out_ << "<li class=\"s" << line.style << "\">&#9632; <span>" << Escaped(line.name)
         << "</span></li>\n";
  }
  out_ << "</ul>\n";
}

// One place to the right for each nine more.
void HtmlPage::PercentileChart(const std::vector<NamedLatency>& latencies) {
  constexpr double kMostNines = 6;
  constexpr double kStep = 0.05;
  double nines = 1;
  double most_us = 1;
  double least_us = 1e9;
  SvgChart chart{.title = "Latency by percentile", .x = {}, .y = {}, .lines = {}, .shades = {}};
  for (const NamedLatency& one : latencies) {
    if (one.values.count() == 0) continue;
    const double all = std::log10(static_cast<double>(one.values.count()));
    std::vector<ChartPoint> points;
    for (double at = 0; at <= std::min(all, kMostNines); at += kStep) {
      const auto ns = static_cast<double>(one.values.Quantile(1 - std::pow(10, -at)));
      const double us = std::max(Us(ns), kLeastUs);
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

void HtmlPage::CountsChart(const char* title, const std::vector<bool>& measured,
                           std::vector<SecondsLine> lines) {
  if (measured.empty()) return;
  std::erase_if(lines, [](const SecondsLine& line) {
    return std::ranges::all_of(line.values, [](double value) { return value == 0; });
  });
  SvgChart chart = OfSeconds(title, measured);
  double most = 1;
  for (const SecondsLine& line : lines) {
    most = std::max(most, std::ranges::max(line.values));
    chart.lines.push_back(LineOf(line, "", [](double number) { return number; }));
  }
  chart.y = LinearAxis("calls", most);
  Chart(chart);
}

void HtmlPage::UsChart(const char* title, const std::vector<bool>& measured,
                       const std::vector<SecondsLine>& lines) {
  double most_us = 0;
  double least_us = 1e9;
  SvgChart chart = OfSeconds(title, measured);
  for (const SecondsLine& line : lines) {
    for (const double us : line.values) {
      if (us < 0) continue;
      most_us = std::max(most_us, us);
      least_us = std::min(least_us, std::max(us, kLeastUs));
    }
    chart.lines.push_back(
        LineOf(line, " us", [](double us) { return std::log10(std::max(us, kLeastUs)); }));
  }
  if (most_us == 0) return;
  chart.y = LogAxis("took at most", least_us, most_us, PowerOfUs);
  Chart(chart);
}

// What could end the element, or be no XML, is written as JSON's escapes.
void HtmlPage::End(std::string_view json) {
  out_ << "<script type=\"application/json\" id=\"result\">";
  for (const char letter : json) {
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
  out_ << "</script>\n</body>\n</html>\n";
}

Exit CheckPageFile(const std::string& path, Console& console) {
  if (path.empty() || std::ofstream(path, std::ios::app)) return Exit::kOk;
  return CannotWrite(path, console);
}

Exit SavePage(const std::string& path, const std::function<void(std::ostream&)>& write,
              Console& console) {
  if (path.empty()) return Exit::kOk;
  std::ofstream page(path, std::ios::trunc);
  write(page);
  page.close();
  return page ? Exit::kOk : CannotWrite(path, console);
}

}  // namespace objpool::client
