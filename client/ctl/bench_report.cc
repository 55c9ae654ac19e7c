#include "client/ctl/bench_report.h"

#include <array>
#include <charconv>
#include <ostream>

#include "client/ctl/table.h"
#include "client/text.h"

namespace objpool::client {
namespace {

double Microseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1000; }

Row LatencyRow(const char* name, const base::LogHistogram& latency) {
  if (latency.count() == 0) return {name, "-", "-", "-", "-", "-", "-"};
  Row row = {name};
  for (const double quantile : {0.5, 0.9, 0.99, 0.999}) {
    row.push_back(Decimal(Microseconds(latency.Quantile(quantile)), 1));
  }
  row.push_back(Decimal(Microseconds(latency.max()), 1));
  row.push_back(Decimal(latency.mean() / 1000, 1));
  return row;
}

void LatencyField(const char* name, const base::LogHistogram& latency, JsonWriter& json) {
  if (latency.count() == 0) return json.Null(name);
  json.BeginObject(name);
  json.Field("count", latency.count());
  json.Field("p50", Microseconds(latency.Quantile(0.5)));
  json.Field("p90", Microseconds(latency.Quantile(0.9)));
  json.Field("p99", Microseconds(latency.Quantile(0.99)));
  json.Field("p99_9", Microseconds(latency.Quantile(0.999)));
  json.Field("max", Microseconds(latency.max()));
  json.Field("mean", latency.mean() / 1000);
  json.EndObject();
}

// Counters of a server that was restarted meanwhile begin anew.
uint64_t Rise(uint64_t before, uint64_t after) { return after >= before ? after - before : after; }

ServerDelta TotalsOf(const v1::GetPoolStatsResponse& stats) {
  ServerDelta total;
  total.granted = stats.granted();
  total.returned = stats.returned();
  total.expired = stats.expired();
  total.revoked = stats.revoked();
  for (const v1::SlotStats& slot : stats.slots()) {
    total.local_hits += slot.local_hits();
    total.depot_hits += slot.depot_hits();
    total.misses += slot.misses();
    total.same_core += slot.stolen_by().same_core();
    total.same_cache += slot.stolen_by().same_cache();
    total.same_node += slot.stolen_by().same_node();
    total.remote_node += slot.stolen_by().remote_node();
    const v1::StealsByDistance& acquired = slot.acquired_by_steal();
    total.acquired_by_steal += acquired.same_core() + acquired.same_cache() + acquired.same_node() +
                               acquired.remote_node();
  }
  return total;
}

void OptionFields(const BenchOptions& options, JsonWriter& json) {
  json.BeginObject("options");
  json.Field("connections", options.connections);
  json.Field("clients", options.clients);
  json.Field("batch", options.batch);
  json.Field("hold_ms", options.hold.count());
  json.Field("ttl_ms", options.ttl.count());
  json.Field("warmup_ms", options.warmup.count());
  if (options.count != 0) {
    json.Field("count", options.count);
  } else {
    json.Field("duration_ms", options.duration.count());
  }
  json.EndObject();
}

}  // namespace

ServerDelta DeltaOf(const v1::GetPoolStatsResponse& before, const v1::GetPoolStatsResponse& after) {
  const ServerDelta from = TotalsOf(before);
  const ServerDelta to = TotalsOf(after);
  return {.engine = after.engine(),
          .granted = Rise(from.granted, to.granted),
          .returned = Rise(from.returned, to.returned),
          .expired = Rise(from.expired, to.expired),
          .revoked = Rise(from.revoked, to.revoked),
          .local_hits = Rise(from.local_hits, to.local_hits),
          .depot_hits = Rise(from.depot_hits, to.depot_hits),
          .misses = Rise(from.misses, to.misses),
          .same_core = Rise(from.same_core, to.same_core),
          .same_cache = Rise(from.same_cache, to.same_cache),
          .same_node = Rise(from.same_node, to.same_node),
          .remote_node = Rise(from.remote_node, to.remote_node),
          .acquired_by_steal = Rise(from.acquired_by_steal, to.acquired_by_steal)};
}

std::string Decimal(double number, int digits) {
  std::array<char, 400> text;  // the largest double has 309 digits before the point
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number,
                                          std::chars_format::fixed, digits);
  return {text.data(), end};
}

void WriteDelta(const ServerDelta& delta, std::ostream& out) {
  out << "server   " << delta.local_hits << " local hits, " << delta.depot_hits << " depot hits, "
      << delta.steals() << " steals (same core " << delta.same_core << ", same cache "
      << delta.same_cache << ", same node " << delta.same_node << ", other node "
      << delta.remote_node << "), " << delta.misses << " misses\n";
}

void WriteDelta(const ServerDelta& delta, JsonWriter& json) {
  json.BeginObject("server_delta");
  json.Field("engine", delta.engine);
  json.Field("granted", delta.granted);
  json.Field("returned", delta.returned);
  json.Field("expired", delta.expired);
  json.Field("revoked", delta.revoked);
  json.Field("local_hits", delta.local_hits);
  json.Field("depot_hits", delta.depot_hits);
  json.Field("misses", delta.misses);
  json.BeginObject("steals");
  json.Field("total", delta.steals());
  json.Field("same_core", delta.same_core);
  json.Field("same_cache", delta.same_cache);
  json.Field("same_node", delta.same_node);
  json.Field("remote_node", delta.remote_node);
  json.EndObject();
  json.Field("acquired_by_steal", delta.acquired_by_steal);
  json.EndObject();
}

BenchReport::BenchReport(const BenchOptions& options, std::string_view server, const Load& load)
    : options_(options),
      server_(server),
      seconds_(std::chrono::duration<double>(load.measured()).count()) {
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
  return seconds_ > 0 ? static_cast<double>(number) / seconds_ : 0;
}

void BenchReport::WriteText(std::ostream& out) const {
  out << "pool " << options_.pool << " at " << Printable(server_) << ": " << options_.clients
      << " clients on " << options_.connections << " connections, batch " << options_.batch
      << ", hold " << FormatDuration(options_.hold) << '\n';
  out << cycles_ << " cycles in " << Decimal(seconds_, 2)
      << " s: " << Decimal(PerSecond(cycles_), 1) << " cycles/s, "
      << Decimal(PerSecond(cycle_handles_), 1) << " handles/s"
      << (interrupted_ ? " (interrupted)" : "") << "\n\n";
  WriteTable(out, {{"us", "p50", "p90", "p99", "p99.9", "max", "mean"},
                   LatencyRow("lease", *lease_ns_),
                   LatencyRow("return", *return_ns_),
                   LatencyRow("cycle", *cycle_ns_)});
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
  OptionFields(options_, json);
  json.Field("interrupted", interrupted_);
  json.Field("measured_s", seconds_);
  json.Field("cycles", cycles_);
  json.Field("cycles_per_s", PerSecond(cycles_));
  json.Field("handles_per_s", PerSecond(cycle_handles_));
  json.BeginObject("latency_us");
  LatencyField("lease", *lease_ns_, json);
  LatencyField("return", *return_ns_, json);
  LatencyField("cycle", *cycle_ns_, json);
  json.EndObject();
  json.BeginObject("calls");
  json.Field("lease_ok", lease_ok_);
  json.Field("return_ok", return_ok_);
  json.Field("exhausted", exhausted_);
  json.Field("failed", failed_);
  json.BeginObject("errors");
  for (const auto& [kind, count] : errors_) json.Field(kind, count);
  json.EndObject();
  json.EndObject();
  json.BeginObject("handles");
  json.Field("leased", leased_);
  json.Field("returned", returned_);
  json.Field("not_returned", leased_ - returned_);
  json.EndObject();
  if (delta_) {
    WriteDelta(*delta_, json);
  } else {
    json.Null("server_delta");
  }
  json.EndObject();
}

}  // namespace objpool::client
