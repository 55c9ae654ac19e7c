#include "client/ctl/open_page.h"

#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/ctl/html_page.h"
#include "client/ctl/latency_text.h"

namespace objpool::client {
namespace {

using load::OpenLoopSecond;

// As the JSON has them.
std::string Exact(double number) { return Decimal(number, 3); }

std::string TextOf(const std::string& text) { return text; }
std::string TextOf(double number) { return Exact(number); }
std::string TextOf(int64_t number) { return std::to_string(number); }
std::string TextOf(bool truth) { return truth ? "yes" : "no"; }

void Verdicts(const OpenReport& report, HtmlPage& page) {
  const std::string why = report.run.result->WhyInvalid();
  page.Verdict(why.empty(), why.empty() ? "VALID" : "INVALID",
               why.empty() ? "the load kept its own schedule" : why);
  const load::Ledger* const ledger = report.run.ledger.get();
  if (ledger == nullptr) return;
  const bool good = ledger->violations() == 0;
  page.Verdict(good, good ? "VERIFIED" : "VIOLATED",
               std::to_string(ledger->checks()) + " statements of the server were checked, " +
                   std::to_string(ledger->violations()) + " of them false" +
                   (good ? "" : ": " + ledger->violation()));
}

void Charts(const load::OpenLoopResult& result, HtmlPage& page) {
  std::vector<bool> measured;
  for (const OpenLoopSecond& second : result.seconds) {
    measured.push_back(second.phase == load::OpenLoopPhase::kMeasured);
  }
  const auto counts = [&](const char* name, std::size_t style, uint64_t OpenLoopSecond::*member) {
    SecondsLine line{.name = name, .style = style, .values = {}};
    for (const OpenLoopSecond& second : result.seconds) {
      line.values.push_back(static_cast<double>(second.*member));
    }
    return line;
  };
  // Of seconds without a lease there is nothing to say.
  const auto times = [&](const char* name, std::size_t style, uint64_t OpenLoopSecond::*member) {
    SecondsLine line{.name = name, .style = style, .values = {}};
    for (const OpenLoopSecond& second : result.seconds) {
      line.values.push_back(second.leased == 0 ? -1 : Us(second.*member));
    }
    return line;
  };
  page.CountsChart(
      "Calls each second", measured,
      {counts("leased", 0, &OpenLoopSecond::leased),
       counts("returned", 1, &OpenLoopSecond::returned),
       counts("renewed", 2, &OpenLoopSecond::renewed), counts("begun", 3, &OpenLoopSecond::begun),
       counts("exhausted", 4, &OpenLoopSecond::exhausted),
       counts("failed", 5, &OpenLoopSecond::failed)});
  page.UsChart("Latency of leases each second", measured,
               {times("p50", 0, &OpenLoopSecond::p50_ns), times("p99", 2, &OpenLoopSecond::p99_ns),
                times("max", 4, &OpenLoopSecond::max_ns)});
}

void Facts(const OpenReport& report, HtmlPage& page) {
  std::vector<Row> options = {{"option", "value"}};
  for (const auto& [name, value] : OptionValues(report.run.options)) {
    options.push_back({name, std::visit([](const auto& given) { return TextOf(given); }, value)});
  }
  page.Section("What was asked");
  page.Table("options", options);
  page.Section("The whole run, with ramp and warm-up");
  std::vector<Row> rows = {{"count", "value"}};
  for (const auto& [name, count] : CountsOf(*report.run.result)) {
    rows.push_back({name, std::to_string(count)});
  }
  page.Table("whole_run", rows);
  std::ostringstream delta;
  WriteDelta(report.run.delta, delta);
  page.Note(delta.str());
}

void Seconds(const load::OpenLoopResult& result, HtmlPage& page) {
  std::vector<Row> rows = {{"second", "measured", "begun", "leased", "renewed", "returned",
                            "exhausted", "failed", "p50 us", "p99 us", "max us"}};
  for (const OpenLoopSecond& second : result.seconds) {
    Row row = {std::to_string(rows.size()),
               second.phase == load::OpenLoopPhase::kMeasured ? "yes" : "no"};
    for (const uint64_t count : {second.begun, second.leased, second.renewed, second.returned,
                                 second.exhausted, second.failed}) {
      row.push_back(std::to_string(count));
    }
    for (const uint64_t ns : {second.p50_ns, second.p99_ns, second.max_ns}) {
      row.push_back(Exact(Us(ns)));
    }
    rows.push_back(row);
  }
  page.FoldedTable("Second by second", "seconds", rows);
}

}  // namespace

void WritePage(const OpenReport& report, std::ostream& out) {
  const load::OpenLoopResult& result = *report.run.result;
  const BenchOptions& options = report.run.options;
  HtmlPage page(options.pool, report.server,
                "objpoolctl bench --rate: " + Decimal(options.rate, 1) +
                    " cycles/s wanted, latencies from the intended start of each call" +
                    (report.interrupted ? "; interrupted" : ""),
                out);
  Verdicts(report, page);
  const auto leases = [&](double quantile) {
    return result.lease_ns.count() == 0
               ? "-"
               : Decimal(Us(result.lease_ns.Quantile(quantile)), 1) + " us";
  };
  page.Tiles({{Decimal(result.cycles_per_s(), 1), "cycles/s"},
              {leases(0.5), "lease, p50"},
              {leases(0.99), "lease, p99"},
              {leases(0.999), "lease, p99.9"},
              {leases(1), "lease, the slowest"}});
  const std::vector<NamedLatency> latencies = {{"lease", result.lease_ns, 0},
                                               {"return", result.return_ns, 1},
                                               {"renew", result.renew_ns, 2},
                                               {"late", result.late_ns, 3}};
  page.Latencies(latencies);
  page.Note("late: how late the load itself was when it began its cycles");
  page.PercentileChart(latencies);
  Charts(result, page);
  Facts(report, page);
  Seconds(result, page);
  std::ostringstream json;
  WriteJson(report, json);
  page.End(json.str());
}

}  // namespace objpool::client
