// The result of a load of closed loops as one page.
#include <ostream>
#include <sstream>

#include "client/ctl/bench_report.h"
#include "client/ctl/html_page.h"
#include "client/ctl/table.h"

namespace objpool::client {
namespace {

void Charts(const std::vector<BenchSecond>& seconds, HtmlPage& page) {
  std::vector<bool> measured;
  for (const BenchSecond& second : seconds) measured.push_back(second.measured);
  const auto line = [&](const char* name, std::size_t style, uint64_t BenchSecond::*member) {
    SecondsLine made{.name = name, .style = style, .values = {}};
    for (const BenchSecond& second : seconds) {
      made.values.push_back(static_cast<double>(second.*member));
    }
    return made;
  };
  page.CountsChart(
      "Calls each second", measured,
      {line("leased", 0, &BenchSecond::leased), line("returned", 1, &BenchSecond::returned),
       line("exhausted", 4, &BenchSecond::exhausted), line("failed", 5, &BenchSecond::failed)});
}

void DrawSeconds(const std::vector<BenchSecond>& seconds, HtmlPage& page) {
  std::vector<Row> rows = {{"second", "measured", "leased", "returned", "exhausted", "failed"}};
  for (const BenchSecond& second : seconds) {
    rows.push_back({std::to_string(rows.size()), second.measured ? "yes" : "no",
                    std::to_string(second.leased), std::to_string(second.returned),
                    std::to_string(second.exhausted), std::to_string(second.failed)});
  }
  page.FoldedTable("Second by second", "seconds", rows);
}

}  // namespace

void BenchReport::WritePage(std::ostream& out) const {
  HtmlPage page(options_.pool, server_,
                std::string("objpoolctl bench: each client waits for its answer before it asks "
                            "again, latencies from when each call was made") +
                    (interrupted_ ? "; interrupted" : ""),
                out);
  page.Verdict(failed_ == 0, failed_ == 0 ? "DONE" : "FAILED",
               std::to_string(failed_) + " calls failed");
  const auto leases = [&](double quantile) {
    if (lease_ns_->count() == 0) return std::string("-");
    return Decimal(static_cast<double>(lease_ns_->Quantile(quantile)) / 1000, 1) + " us";
  };
  page.Tiles({{Decimal(PerSecond(cycles_), 1), "cycles/s"},
              {Decimal(PerSecond(cycle_handles_), 1), "handles/s"},
              {leases(0.5), "lease, p50"},
              {leases(0.99), "lease, p99"},
              {leases(1), "lease, the slowest"}});
  const std::vector<NamedLatency> latencies = {
      {"lease", *lease_ns_, 0}, {"return", *return_ns_, 1}, {"cycle", *cycle_ns_, 2}};
  page.Latencies(latencies);
  page.Note("cycle: both calls, without the hold between them");
  page.PercentileChart(latencies);
  Charts(seconds_, page);
  const auto table = [&](const char* id, const Counts& counts) {
    std::vector<Row> rows = {{"name", "value"}};
    for (const auto& [name, count] : counts) rows.push_back({name, std::to_string(count)});
    page.Table(id, rows);
  };
  page.Section("What was asked");
  table("options", Options());
  page.Section("The whole run, with warm-up and clearing up");
  table("calls", Calls());
  table("handles", Handles());
  std::ostringstream text;
  for (const auto& [kind, count] : errors_) text << kind << ' ' << count << "; ";
  if (delta_) WriteDelta(*delta_, text);
  page.Note(text.str());
  DrawSeconds(seconds_, page);
  std::ostringstream json;
  WriteJson(json);
  page.End(json.str());
}

}  // namespace objpool::client
