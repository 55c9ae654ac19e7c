#include "client/ctl/find_max.h"

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "client/ctl/json_writer.h"
#include "client/ctl/open_report.h"
#include "client/ctl/open_run.h"
#include "client/ctl/rate_search.h"
#include "client/ctl/table.h"
#include "client/text.h"

namespace objpool::client {
namespace {

constexpr double kUsualStart = 1000;
// More than one of so many leases that find nothing: then the pool is the limit.
constexpr uint64_t kExhaustedOneOf = 100;

struct Trial {
  double rate;
  TrialEnd end;
  double p99_us;
  double cycles_per_s;
  uint64_t exhausted;
  uint64_t failed;
  std::string why_invalid;
};

// What a trial, or the limit that it found, is due to.
const char* NameOf(TrialEnd end) {
  switch (end) {
    case TrialEnd::kInvalid:
      return "load";
    case TrialEnd::kExhausted:
      return "pool";
    case TrialEnd::kFailed:
      return "failed_calls";
    case TrialEnd::kTooSlow:
      return "server";
    case TrialEnd::kPassed:
      return "none";
  }
  return "";
}

const char* VerdictOf(TrialEnd end) {
  switch (end) {
    case TrialEnd::kInvalid:
      return "INVALID";
    case TrialEnd::kExhausted:
      return "exhausted";
    case TrialEnd::kFailed:
      return "failed";
    case TrialEnd::kTooSlow:
      return "too slow";
    case TrialEnd::kPassed:
      return "passed";
  }
  return "";
}

Trial TrialOf(const OpenRun& run, double limit_us) {
  const load::OpenLoopResult& result = *run.result;
  Trial trial = {.rate = run.options.rate,
                 .end = TrialEnd::kPassed,
                 .p99_us = static_cast<double>(result.lease_ns.Quantile(0.99)) / 1000,
                 .cycles_per_s = result.cycles_per_s(),
                 .exhausted = result.exhausted,
                 .failed = result.failed,
                 .why_invalid = result.WhyInvalid()};
  if (result.failed != 0) {
    trial.end = TrialEnd::kFailed;
  } else if (result.exhausted * kExhaustedOneOf > result.begun) {
    trial.end = TrialEnd::kExhausted;
  } else if (result.lease_ns.count() == 0) {
    trial.end = TrialEnd::kInvalid;
    trial.why_invalid = "no lease was made in its time";
  } else if (!trial.why_invalid.empty()) {
    trial.end = TrialEnd::kInvalid;
  } else if (trial.p99_us > limit_us) {
    trial.end = TrialEnd::kTooSlow;
  }
  return trial;
}

struct Search {
  const BenchOptions& options;
  const std::string& server;
  const RateSearch& rates;
  const std::vector<Trial>& trials;
  bool interrupted;

  // The trial of the highest rate that passed.
  [[nodiscard]] const Trial* best() const {
    for (const Trial& trial : trials) {
      if (trial.end == TrialEnd::kPassed && trial.rate == rates.best()) return &trial;
    }
    return nullptr;
  }
};

std::string WhyNoMore(const RateSearch& rates) {
  if (rates.Next()) return "no more was tried";
  if (!rates.worst()) return "the highest that can be tried";
  const std::string at = Decimal(*rates.worst(), 1) + " cycles/s";
  switch (rates.why()) {
    case TrialEnd::kInvalid:
      return "at " + at + " the load was the bottleneck: the server may do more";
    case TrialEnd::kExhausted:
      return "at " + at +
             " the pool was empty too often: it has too few handles, or holds are long";
    case TrialEnd::kFailed:
      return "at " + at + " calls failed";
    case TrialEnd::kTooSlow:
      return "at " + at + " the server was too slow";
    case TrialEnd::kPassed:
      break;
  }
  return {};
}

void WriteText(const Search& search, std::ostream& out) {
  out << "pool " << search.options.pool << " at " << Printable(search.server)
      << ": the highest rate whose leases take at most " << search.options.find_max_us
      << " us at p99\n\n";
  std::vector<Row> rows = {{"cycles/s wanted", "done", "lease p99 us", "verdict"}};
  for (const Trial& trial : search.trials) {
    rows.push_back({Decimal(trial.rate, 1), Decimal(trial.cycles_per_s, 1),
                    Decimal(trial.p99_us, 1), VerdictOf(trial.end)});
  }
  WriteTable(out, rows);
  out << '\n';
  if (const Trial* const best = search.best()) {
    const bool at_least = search.rates.worst() && search.rates.why() == TrialEnd::kInvalid;
    out << (at_least ? "at least " : "highest  ") << Decimal(best->rate, 1) << " cycles/s, p99 "
        << Decimal(best->p99_us, 1) << " us";
  } else {
    out << "none passed";
  }
  out << (search.interrupted ? " (interrupted)" : "") << "; " << WhyNoMore(search.rates) << '\n';
}

void TrialFields(const Trial& trial, JsonWriter& json) {
  json.BeginObject();
  json.Field("rate", trial.rate);
  json.Field("verdict", VerdictOf(trial.end));
  json.Field("lease_p99_us", trial.p99_us);
  json.Field("cycles_per_s", trial.cycles_per_s);
  json.Field("exhausted", trial.exhausted);
  json.Field("failed", trial.failed);
  json.Field("why_invalid", trial.why_invalid);
  json.EndObject();
}

void WriteJson(const Search& search, std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Field("schema", "objpool.bench.find_max.v1");
  json.Field("server", search.server);
  json.Field("pool", search.options.pool);
  json.Field("limit_us", search.options.find_max_us);
  json.Field("interrupted", search.interrupted);
  const Trial* const best = search.best();
  if (best != nullptr) {
    json.Field("rate", best->rate);
    json.Field("lease_p99_us", best->p99_us);
  } else {
    json.Null("rate");
    json.Null("lease_p99_us");
  }
  json.Field("limited_by", NameOf(search.rates.why()));
  json.Field("valid", search.rates.why() != TrialEnd::kInvalid);
  json.Field("why_no_more", WhyNoMore(search.rates));
  json.BeginArray("trials");
  for (const Trial& trial : search.trials) TrialFields(trial, json);
  json.EndArray();
  json.EndObject();
}

}  // namespace

Exit RunFindMax(const BenchOptions& given, const Target& target, Console& console,
                bool (*interrupted)()) {
  BenchOptions options = given;
  RateSearch rates(options.rate > 0 ? options.rate : kUsualStart, kMaxBenchRate);
  std::vector<Trial> trials;
  while (const std::optional<double> rate = interrupted() ? std::nullopt : rates.Next()) {
    options.rate = *rate;
    OpenRun run;
    if (const Exit exit = RunOnce(options, target, console, interrupted, run); exit != Exit::kOk) {
      return exit;
    }
    if (run.ledger != nullptr && run.ledger->violations() != 0) {
      return Fail(console, Exit::kViolated, run.ledger->violation());
    }
    if (interrupted()) break;
    trials.push_back(TrialOf(run, options.find_max_us));
    rates.Tell(trials.back().end);
  }
  const Search search = {.options = options,
                         .server = target.server,
                         .rates = rates,
                         .trials = trials,
                         .interrupted = interrupted()};
  if (target.json) {
    WriteJson(search, console.out);
  } else {
    WriteText(search, console.out);
  }
  if (const Exit flushed = Flush(console); flushed != Exit::kOk) return flushed;
  if (search.interrupted) return Exit::kInterrupted;
  if (rates.worst() && rates.why() == TrialEnd::kInvalid) return Exit::kInvalid;
  return rates.best() ? Exit::kOk : Exit::kRefused;
}

}  // namespace objpool::client
