#include "client/ctl/open_report.h"

#include <ostream>

#include "client/ctl/json_writer.h"
#include "client/ctl/latency_text.h"
#include "client/ctl/open_scenario.h"
#include "client/ctl/table.h"
#include "client/text.h"

namespace objpool::client {
namespace {

using load::OpenLoopResult;

// "fixed", "uniform" or "exponential".
const char* NameOf(HoldDistribution distribution) {
  switch (distribution) {
    case HoldDistribution::kFixed:
      return "fixed";
    case HoldDistribution::kUniform:
      return "uniform";
    case HoldDistribution::kExponential:
      return "exponential";
  }
  return "";
}

void RunFields(const OpenLoopResult& result, JsonWriter& json) {
  json.BeginObject("whole_run");
  for (const auto& [name, count] : CountsOf(result)) json.Field(name, count);
  json.EndObject();
  json.BeginArray("seconds");
  for (const load::OpenLoopSecond& second : result.seconds) {
    json.BeginObject();
    json.Field("measured", second.phase == load::OpenLoopPhase::kMeasured);
    json.Field("begun", second.begun);
    json.Field("leased", second.leased);
    json.Field("renewed", second.renewed);
    json.Field("returned", second.returned);
    json.Field("exhausted", second.exhausted);
    json.Field("failed", second.failed);
    json.Field("lease_p50_us", Us(second.p50_ns));
    json.Field("lease_p99_us", Us(second.p99_ns));
    json.Field("lease_max_us", Us(second.max_ns));
    json.EndObject();
  }
  json.EndArray();
}

void VerifiedField(const load::Ledger* ledger, JsonWriter& json) {
  if (ledger == nullptr) return json.Null("verified");
  json.BeginObject("verified");
  json.Field("checks", ledger->checks());
  json.Field("violations", ledger->violations());
  json.Field("first_violation", ledger->violation());
  json.EndObject();
}

void WriteHead(const OpenReport& report, std::ostream& out) {
  const BenchOptions& options = report.run.options;
  out << "pool " << options.pool << " at " << Printable(report.server) << ": ";
  if (options.scenario) out << NameOf(*options.scenario) << ", ";
  out << Decimal(options.rate, 1) << " cycles/s wanted, "
      << (options.uniform ? "evenly" : "at random") << ", on " << options.connections
      << (options.stream ? " sessions" : " connections") << ", batch " << options.batch;
  if (options.return_rate > 0) {
    out << ", " << Decimal(options.return_rate, 1) << " returns/s wanted";
  } else {
    out << ", hold " << FormatDuration(options.hold);
  }
  if (options.hold_distribution != HoldDistribution::kFixed) {
    out << " (" << NameOf(options.hold_distribution) << ')';
  }
  if (options.renews != 0) out << ", renewed " << options.renews << " times";
  if (options.renew_rate > 0) out << ", " << Decimal(options.renew_rate, 1) << " renewals/s wanted";
  out << '\n'
      << report.run.result->cycles << " cycles in " << Decimal(report.run.result->measured_s, 2)
      << " s: " << Decimal(report.run.result->cycles_per_s(), 1) << " cycles/s"
      << (report.interrupted ? " (interrupted)" : "")
      << "\n\nLatencies from the intended start; late: the load itself\n";
}

}  // namespace

std::vector<std::pair<const char*, OptionValue>> OptionValues(const BenchOptions& options) {
  return {{"scenario", NameOf(options.scenario.value_or(BenchScenario::kSteady))},
          {"rate", options.rate},
          {"arrivals", options.uniform ? "uniform" : "poisson"},
          {"connections", int64_t{options.connections}},
          {"threads", int64_t{options.threads}},
          {"batch", int64_t{options.batch}},
          {"hold_ms", int64_t{options.hold.count()}},
          {"hold_distribution", NameOf(options.hold_distribution)},
          {"renews", int64_t{options.renews}},
          {"renew_rate", options.renew_rate},
          {"return_rate", options.return_rate},
          {"stream", options.stream},
          {"ttl_ms", int64_t{options.ttl.count()}},
          {"ramp_ms", int64_t{options.ramp.count()}},
          {"warmup_ms", int64_t{options.warmup.count()}},
          {"duration_ms", int64_t{options.duration.count()}}};
}

std::vector<std::pair<const char*, uint64_t>> CountsOf(const load::OpenLoopResult& result) {
  return {{"begun", result.begun},
          {"exhausted", result.exhausted},
          {"failed", result.failed},
          {"dropped", result.dropped},
          {"nothing_held", result.nothing_held},
          {"lost", result.lost},
          {"breaks", result.breaks},
          {"reconnects", result.reconnects},
          {"abandoned", result.abandoned},
          {"in_doubt", result.in_doubt}};
}

void WriteText(const OpenReport& report, std::ostream& out) {
  const OpenLoopResult& result = *report.run.result;
  WriteHead(report, out);
  std::vector<Row> rows = {LatencyHeading(), LatencyRow("lease", result.lease_ns)};
  if (result.renew_ns.count() != 0) rows.push_back(LatencyRow("renew", result.renew_ns));
  rows.push_back(LatencyRow("return", result.return_ns));
  rows.push_back(LatencyRow("late", result.late_ns));
  WriteTable(out, rows);
  out << "\nThe whole run: " << result.begun << " cycles begun, " << result.exhausted
      << " exhausted, " << result.failed << " failed, " << result.dropped << " dropped";
  if (result.failed != 0) out << "; first: " << result.first_failure;
  out << '\n';
  if (result.breaks + result.reconnects != 0) {
    out << "broken   " << result.breaks << " connections by the load, " << result.reconnects
        << " by the server; " << result.lost << " calls were lost, " << result.abandoned
        << " handles abandoned, " << result.in_doubt << " in doubt";
    if (report.run.came_back_s)
      out << ", back " << Decimal(*report.run.came_back_s, 2) << " s after";
    out << '\n';
  }
  WriteDelta(report.run.delta, out);
  if (report.run.ledger != nullptr) {
    out << "checked  " << report.run.ledger->checks() << " statements of the server, "
        << report.run.ledger->violations() << " of them false\n";
    if (report.run.ledger->violations() != 0) {
      out << "VIOLATED " << report.run.ledger->violation() << '\n';
    }
  }
  if (const std::string why = result.WhyInvalid(); !why.empty()) out << "INVALID  " << why << '\n';
}

void WriteJson(const OpenReport& report, std::ostream& out) {
  const OpenLoopResult& result = *report.run.result;
  JsonWriter json(out);
  json.BeginObject();
  json.Field("schema", "objpool.bench.open.v1");
  json.Field("server", report.server);
  json.Field("pool", report.run.options.pool);
  json.BeginObject("options");
  for (const auto& option : OptionValues(report.run.options)) {
    std::visit([&](const auto& value) { json.Field(option.first, value); }, option.second);
  }
  json.EndObject();
  const std::string why = result.WhyInvalid();
  json.Field("valid", why.empty());
  json.Field("why_invalid", why);
  json.Field("interrupted", report.interrupted);
  json.Field("measured_s", result.measured_s);
  json.Field("cycles", result.cycles);
  json.Field("cycles_per_s", report.run.result->cycles_per_s());
  json.BeginObject("latency_us");
  LatencyField("lease", result.lease_ns, json);
  LatencyField("renew", result.renew_ns, json);
  LatencyField("return", result.return_ns, json);
  LatencyField("late", result.late_ns, json);
  json.EndObject();
  RunFields(result, json);
  if (report.run.came_back_s) {
    json.Field("came_back_s", *report.run.came_back_s);
  } else {
    json.Null("came_back_s");
  }
  WriteDelta(report.run.delta, json);
  VerifiedField(report.run.ledger.get(), json);
  json.EndObject();
}

}  // namespace objpool::client
