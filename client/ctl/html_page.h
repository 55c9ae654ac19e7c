// HtmlPage: what the pages of results have in common: one that needs nothing from elsewhere, has no
// scripts and is well-formed XML too.
//
// The parts are written as they are asked for, from the top of the page to its bottom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/ctl/console.h"
#include "client/ctl/svg_chart.h"
#include "client/ctl/table.h"
#include "pool/base/log_histogram.h"

namespace objpool::client {

// Nanoseconds. Its style is that of its curve.
struct NamedLatency {
  const char* name;
  const base::LogHistogram& values;
  std::size_t style;
};

// A value of each second; below 0 where it says nothing.
struct SecondsLine {
  const char* name;
  std::size_t style;
  std::vector<double> values;
};

class HtmlPage {
 public:
  HtmlPage(std::string_view pool, std::string_view server, std::string_view what,
           std::ostream& out);

  void Section(std::string_view title);
  void Note(std::string_view text);
  void Verdict(bool good, std::string_view word, std::string_view text);
  void Tiles(const std::vector<std::pair<std::string, const char*>>& numbers);
  void Table(const char* id, const std::vector<Row>& rows);
  void FoldedTable(std::string_view summary, const char* id, const std::vector<Row>& rows);
  // As a table and as curves.
  void Latencies(const std::vector<NamedLatency>& latencies);
  void PercentileChart(const std::vector<NamedLatency>& latencies);
  // Lines that are nothing but zeros are left out. Seconds that were not measured stand in a shade.
  void CountsChart(const char* title, const std::vector<bool>& measured,
                   std::vector<SecondsLine> lines);
  // Microseconds, by their powers.
  void UsChart(const char* title, const std::vector<bool>& measured,
               const std::vector<SecondsLine>& lines);
  // The result itself, for programs, which is the end of the page.
  void End(std::string_view json);

 private:
  void Chart(const SvgChart& chart);

  std::ostream& out_;
};

// Before a run, so that nobody waits for it in vain: whether there can be a page in `path`. What is
// there stays until then. An empty path is none, here and below.
[[nodiscard]] Exit CheckPageFile(const std::string& path, Console& console);
[[nodiscard]] Exit SavePage(const std::string& path,
                            const std::function<void(std::ostream&)>& write, Console& console);

}  // namespace objpool::client
