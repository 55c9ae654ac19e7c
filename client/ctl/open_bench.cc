#include "client/ctl/open_bench.h"

#include <array>
#include <charconv>
#include <memory>
#include <ostream>
#include <random>
#include <string>

#include "client/ctl/json_writer.h"
#include "client/ctl/table.h"
#include "client/load/open_loop.h"
#include "client/text.h"

namespace objpool::client {
namespace {

using load::OpenLoopResult;

std::string Decimal(double number, int digits) {
  std::array<char, 400> text;  // the largest double has 309 digits before the point
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number,
                                          std::chars_format::fixed, digits);
  return {text.data(), end};
}

double Us(uint64_t ns) { return static_cast<double>(ns) / 1000; }

constexpr std::array<double, 5> kQuantiles = {0.5, 0.9, 0.99, 0.999, 0.9999};

Row LatencyRow(const char* name, const base::LogHistogram& latency) {
  Row row = {name};
  for (const double quantile : kQuantiles) {
    row.push_back(latency.count() == 0 ? "-" : Decimal(Us(latency.Quantile(quantile)), 1));
  }
  row.push_back(latency.count() == 0 ? "-" : Decimal(Us(latency.max()), 1));
  return row;
}

void LatencyField(const char* name, const base::LogHistogram& latency, JsonWriter& json) {
  if (latency.count() == 0) return json.Null(name);
  json.BeginObject(name);
  json.Field("count", latency.count());
  constexpr std::array<const char*, kQuantiles.size()> kNames = {"p50", "p90", "p99", "p99_9",
                                                                 "p99_99"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    json.Field(kNames[i], Us(latency.Quantile(kQuantiles[i])));
  }
  json.Field("max", Us(latency.max()));
  json.Field("mean", latency.mean() / 1000);
  json.EndObject();
}

double CyclesPerSecond(const OpenLoopResult& result) {
  return result.measured_s > 0 ? static_cast<double>(result.cycles) / result.measured_s : 0;
}

struct Report {
  const BenchOptions& options;
  const std::string& server;
  const OpenLoopResult& result;
  const load::Ledger* ledger;  // null: nothing was checked
  bool interrupted;
};

void WriteText(const Report& report, std::ostream& out) {
  const OpenLoopResult& result = report.result;
  out << "pool " << report.options.pool << " at " << Printable(report.server) << ": "
      << Decimal(report.options.rate, 1) << " cycles/s wanted, "
      << (report.options.uniform ? "evenly" : "at random") << ", on " << report.options.connections
      << " connections, batch " << report.options.batch << ", hold "
      << FormatDuration(report.options.hold) << '\n'
      << result.cycles << " cycles in " << Decimal(result.measured_s, 2)
      << " s: " << Decimal(CyclesPerSecond(result), 1) << " cycles/s"
      << (report.interrupted ? " (interrupted)" : "") << "\n\n";
  WriteTable(out, {{"us, from the intended start", "p50", "p90", "p99", "p99.9", "p99.99", "max"},
                   LatencyRow("lease", result.lease_ns),
                   LatencyRow("return", result.return_ns),
                   LatencyRow("the load was late by", result.late_ns)});
  out << "\nThe whole run: " << result.begun << " cycles begun, " << result.exhausted
      << " exhausted, " << result.failed << " failed, " << result.dropped << " dropped";
  if (result.failed != 0) out << "; first: " << result.first_failure;
  out << '\n';
  if (report.ledger != nullptr) {
    out << "checked  " << report.ledger->checks() << " statements of the server, "
        << report.ledger->violations() << " of them false\n";
    if (report.ledger->violations() != 0) {
      out << "VIOLATED " << report.ledger->violation() << '\n';
    }
  }
  if (const std::string why = result.WhyInvalid(); !why.empty()) out << "INVALID  " << why << '\n';
}

void WriteSeconds(const OpenLoopResult& result, JsonWriter& json) {
  json.BeginArray("seconds");
  for (const load::OpenLoopSecond& second : result.seconds) {
    json.BeginObject();
    json.Field("begun", second.begun);
    json.Field("leased", second.leased);
    json.Field("exhausted", second.exhausted);
    json.Field("failed", second.failed);
    json.Field("lease_p50_us", Us(second.p50_ns));
    json.Field("lease_p99_us", Us(second.p99_ns));
    json.Field("lease_max_us", Us(second.max_ns));
    json.EndObject();
  }
  json.EndArray();
}

void WriteJson(const Report& report, std::ostream& out) {
  const OpenLoopResult& result = report.result;
  JsonWriter json(out);
  json.BeginObject();
  json.Field("schema", "objpool.bench.open.v1");
  json.Field("server", report.server);
  json.Field("pool", report.options.pool);
  json.BeginObject("options");
  json.Field("rate", report.options.rate);
  json.Field("arrivals", report.options.uniform ? "uniform" : "poisson");
  json.Field("connections", report.options.connections);
  json.Field("batch", report.options.batch);
  json.Field("hold_ms", report.options.hold.count());
  json.Field("hold_distribution", report.options.hold_random ? "exponential" : "fixed");
  json.Field("ttl_ms", report.options.ttl.count());
  json.Field("warmup_ms", report.options.warmup.count());
  json.Field("duration_ms", report.options.duration.count());
  json.EndObject();
  const std::string why = result.WhyInvalid();
  json.Field("valid", why.empty());
  json.Field("why_invalid", why);
  json.Field("interrupted", report.interrupted);
  json.Field("measured_s", result.measured_s);
  json.Field("cycles", result.cycles);
  json.Field("cycles_per_s", CyclesPerSecond(result));
  json.BeginObject("latency_us");
  LatencyField("lease", result.lease_ns, json);
  LatencyField("return", result.return_ns, json);
  LatencyField("late", result.late_ns, json);
  json.EndObject();
  json.BeginObject("whole_run");
  json.Field("begun", result.begun);
  json.Field("exhausted", result.exhausted);
  json.Field("failed", result.failed);
  json.Field("dropped", result.dropped);
  json.EndObject();
  WriteSeconds(result, json);
  if (report.ledger == nullptr) {
    json.Null("verified");
  } else {
    json.BeginObject("verified");
    json.Field("checks", report.ledger->checks());
    json.Field("violations", report.ledger->violations());
    json.Field("first_violation", report.ledger->violation());
    json.EndObject();
  }
  json.EndObject();
}

load::OpenLoopOptions LoadOptions(const BenchOptions& options, const std::string& server,
                                  load::Ledger* ledger) {
  const auto address = [&] {
    const std::string scheme = "dns:///";
    return server.starts_with(scheme) ? server.substr(scheme.size()) : server;
  };
  return {.address = address(),
          .pool = options.pool,
          .rate = options.rate,
          .random = !options.uniform,
          .connections = options.connections,
          .batch = options.batch,
          .ttl_ms = static_cast<uint64_t>(options.ttl.count()),
          .hold = options.hold,
          .hold_random = options.hold_random,
          .warmup = options.warmup,
          .duration = options.duration,
          .seed = options.seed != 0 ? options.seed : std::random_device()(),
          .ledger = ledger};
}

// The ledger of a pool of which all handles are free; null, after saying why.
std::unique_ptr<load::Ledger> MakeLedger(const BenchOptions& options, const v1::Pool& pool,
                                         Console& console) {
  if (pool.free() != pool.capacity()) {
    (void)Fail(console, Exit::kRefused,
               "--verify needs a pool for itself, and of " + options.pool + " " +
                   std::to_string(pool.capacity() - pool.free()) + " handles are not free");
    return nullptr;
  }
  return std::make_unique<load::Ledger>(static_cast<uint32_t>(pool.capacity()),
                                        static_cast<uint64_t>(options.ttl.count()));
}

}  // namespace

Exit RunOpenBench(const BenchOptions& options, const Target& target, Console& console,
                  bool (*interrupted)()) {
  if (target.tls) return Fail(console, Exit::kUsage, "--rate: makes no encrypted connections");
  const Client client(OptionsOf(target));
  const Result<v1::Pool> pool = client.GetPool(options.pool);
  if (!pool.ok()) return Fail(console, pool.error, client.options());
  const auto before = client.GetPoolStats(options.pool);
  if (!before.ok()) return Fail(console, before.error, client.options());
  std::unique_ptr<load::Ledger> ledger;
  if (options.verify) {
    ledger = MakeLedger(options, pool.value, console);
    if (ledger == nullptr) return Exit::kRefused;
  }
  std::string why;
  const auto result =
      load::RunOpenLoop(LoadOptions(options, target.server, ledger.get()), interrupted, why);
  if (result == nullptr) return Fail(console, Exit::kUnreachable, why);
  if (ledger != nullptr) {
    const auto after = client.GetPoolStats(options.pool);
    if (!after.ok()) return Fail(console, after.error, client.options());
    ledger->Reconcile(after.value.granted() - before.value.granted(),
                      after.value.returned() - before.value.returned());
  }
  const Report report = {.options = options,
                         .server = target.server,
                         .result = *result,
                         .ledger = ledger.get(),
                         .interrupted = interrupted()};
  if (target.json) {
    WriteJson(report, console.out);
  } else {
    WriteText(report, console.out);
  }
  if (const Exit flushed = Flush(console); flushed != Exit::kOk) return flushed;
  if (ledger != nullptr && ledger->violations() != 0) return Exit::kViolated;
  if (report.interrupted) return Exit::kInterrupted;
  if (!result->WhyInvalid().empty()) return Exit::kInvalid;
  return result->failed == 0 ? Exit::kOk : Exit::kRefused;
}

}  // namespace objpool::client
