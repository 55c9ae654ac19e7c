#include "client/ctl/bench_report.h"

#include <ostream>

#include "client/ctl/json_writer.h"
#include "client/ctl/latency_text.h"
#include "client/ctl/table.h"
#include "client/text.h"

namespace objpool::client {
namespace {

void Fields(const std::vector<std::pair<const char*, uint64_t>>& counts, JsonWriter& json) {
  for (const auto& [name, count] : counts) json.Field(name, count);
}

void SecondsField(const std::vector<BenchSecond>& seconds, JsonWriter& json) {
  json.BeginArray("seconds");
  for (const BenchSecond& second : seconds) {
    json.BeginObject();
    json.Field("measured", second.measured);
    json.Field("leased", second.leased);
    json.Field("returned", second.returned);
    json.Field("exhausted", second.exhausted);
    json.Field("failed", second.failed);
    json.EndObject();
  }
  json.EndArray();
}

}  // namespace

BenchReport::BenchReport(const BenchOptions& options, std::string_view server, const Load& load,
                         std::vector<BenchSecond> seconds)
    : options_(options),
      server_(server),
      seconds_(std::move(seconds)),
      measured_s_(std::chrono::duration<double>(load.measured()).count()) {
  for (const auto& cell : load.cells()) {
    lease_ok_ += cell->lease_ok.value();
    return_ok_ += cell->return_ok.value();
    exhausted_ += cell->exhausted.value();
    failed_ += cell->failed.value();
    leased_ += cell->leased.value();
    returned_ += cell->returned.value();
    cycles_ += cell->cycles.value();
    cycle_handles_ += cell->cycle_handles.value();
    lease_ns_->Merge(cell->lease_ns);
    return_ns_->Merge(cell->return_ns);
    cycle_ns_->Merge(cell->cycle_ns);
    for (const auto& [kind, count] : cell->errors) errors_[kind] += count;
    if (!first_error_) first_error_ = cell->first_error;
  }
}

double BenchReport::PerSecond(uint64_t number) const {
  return measured_s_ > 0 ? static_cast<double>(number) / measured_s_ : 0;
}

BenchReport::Counts BenchReport::Options() const {
  const auto ms = [](Milliseconds time) { return static_cast<uint64_t>(time.count()); };
  Counts options = {{"connections", options_.connections},
                    {"clients", options_.clients},
                    {"batch", options_.batch},
                    {"hold_ms", ms(options_.hold)},
                    {"ttl_ms", ms(options_.ttl)},
                    {"warmup_ms", ms(options_.warmup)}};
  if (options_.count != 0) {
    options.emplace_back("count", options_.count);
  } else {
    options.emplace_back("duration_ms", ms(options_.duration));
  }
  return options;
}

BenchReport::Counts BenchReport::Calls() const {
  return {{"lease_ok", lease_ok_},
          {"return_ok", return_ok_},
          {"exhausted", exhausted_},
          {"failed", failed_}};
}

BenchReport::Counts BenchReport::Handles() const {
  return {{"leased", leased_}, {"returned", returned_}, {"not_returned", leased_ - returned_}};
}

void BenchReport::WriteText(std::ostream& out) const {
  out << "pool " << options_.pool << " at " << Printable(server_) << ": " << options_.clients
      << " clients on " << options_.connections << " connections, batch " << options_.batch
      << ", hold " << FormatDuration(options_.hold) << '\n';
  out << cycles_ << " cycles in " << Decimal(measured_s_, 2)
      << " s: " << Decimal(PerSecond(cycles_), 1) << " cycles/s, "
      << Decimal(PerSecond(cycle_handles_), 1) << " handles/s"
      << (interrupted_ ? " (interrupted)" : "") << "\n\n";
  WriteTable(out, {LatencyHeading(), LatencyRow("lease", *lease_ns_),
                   LatencyRow("return", *return_ns_), LatencyRow("cycle", *cycle_ns_)});
  out << "\nThe whole run, with warm-up and clearing up:\n";
  out << "calls    " << lease_ok_ << " leases and " << return_ok_ << " returns ok, " << exhausted_
      << " exhausted, " << failed_ << " failed";
  for (const auto& [kind, count] : errors_) out << "; " << Printable(kind) << ' ' << count;
  out << "\nhandles  " << leased_ << " leased, " << returned_ << " returned, "
      << leased_ - returned_ << " not returned\n";
  if (!delta_) {
    out << "server   did not say what it counted\n";
    return;
  }
  WriteDelta(*delta_, out);
}

void BenchReport::WriteJson(std::ostream& out) const {
  JsonWriter json(out);
  json.BeginObject();
  json.Field("schema", "objpool.bench.v1");
  json.Field("server", server_);
  json.Field("pool", options_.pool);
  json.BeginObject("options");
  Fields(Options(), json);
  json.EndObject();
  json.Field("interrupted", interrupted_);
  json.Field("measured_s", measured_s_);
  json.Field("cycles", cycles_);
  json.Field("cycles_per_s", PerSecond(cycles_));
  json.Field("handles_per_s", PerSecond(cycle_handles_));
  json.BeginObject("latency_us");
  LatencyField("lease", *lease_ns_, json);
  LatencyField("return", *return_ns_, json);
  LatencyField("cycle", *cycle_ns_, json);
  json.EndObject();
  json.BeginObject("calls");
  Fields(Calls(), json);
  json.BeginObject("errors");
  for (const auto& [kind, count] : errors_) json.Field(kind, count);
  json.EndObject();
  json.EndObject();
  json.BeginObject("handles");
  Fields(Handles(), json);
  json.EndObject();
  SecondsField(seconds_, json);
  if (delta_) {
    WriteDelta(*delta_, json);
  } else {
    json.Null("server_delta");
  }
  json.EndObject();
}

}  // namespace objpool::client
