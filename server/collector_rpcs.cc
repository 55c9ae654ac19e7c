// Calls, by method and code, and the workers that serve them. The names of the first are those that
// every gRPC dashboard knows.
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "server/collector.h"
#include "server/metrics/families.h"

namespace objpool::server {
namespace {

using metrics::FamilyBuilder;
using metrics::Labels;

constexpr double kSecondsPerNs = 1e-9;

// One method, summed over the workers.
struct RpcSum {
  uint64_t started = 0;
  std::array<uint64_t, rpc::kCodes> handled{};
  std::array<uint64_t, rpc::kLatencyBounds.size() + 1> buckets{};
  uint64_t latency_ns = 0;
};

RpcSum SumOf(const rpc::Engine& engine, std::size_t method) {
  RpcSum sum;
  for (uint32_t worker = 0; worker < engine.workers(); ++worker) {
    const rpc::RpcCell& cell = engine.stats(worker).rpcs[method];
    for (std::size_t code = 0; code < rpc::kCodes; ++code) {
      sum.handled[code] += cell.handled[code].value();
    }
    for (std::size_t i = 0; i < sum.buckets.size(); ++i) {
      sum.buckets[i] += cell.latency.buckets()[i].value();
    }
    sum.latency_ns += cell.latency.sum();
    // Read last: a call that ended has started.
    sum.started += cell.started.value();
  }
  return sum;
}

struct RpcFamilies {
  FamilyBuilder started =
      FamilyBuilder::Counter("grpc_server_started_total", "Calls that have arrived.");
  FamilyBuilder handled = FamilyBuilder::Counter("grpc_server_handled_total",
                                                 "Calls that were answered, by status code.");
  FamilyBuilder latency = FamilyBuilder::Histogram(
      "grpc_server_handling_seconds",
      "From a call's arrival at its worker until its answer is handed over.");

  void Add(const Labels& labels, const RpcSum& sum) {
    started.Add(sum.started, labels);
    for (std::size_t code = 0; code < rpc::kCodes; ++code) {
      // Codes that never came up are left out, all but the usual one: most methods never give them.
      if (code != 0 && sum.handled[code] == 0) continue;
      Labels with_code = labels;
      with_code.push_back({"grpc_code", rpc::kCodeNames[code]});
      handled.Add(sum.handled[code], with_code);
    }
    // 18 series a method, of which most servers use few: it begins with its first call.
    if (sum.started == 0) return;
    std::array<double, rpc::kLatencyBounds.size()> bounds;
    std::array<uint64_t, rpc::kLatencyBounds.size()> cumulative;
    uint64_t count = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      bounds[i] = static_cast<double>(rpc::kLatencyBounds[i]) * kSecondsPerNs;
      cumulative[i] = count += sum.buckets[i];
    }
    count += sum.buckets.back();
    latency.AddHistogram(bounds, cumulative, static_cast<double>(sum.latency_ns) * kSecondsPerNs,
                         count, labels);
  }
};

void AppendWorkers(const CollectorSources& sources,
                   std::vector<prometheus::MetricFamily>& families) {
  FamilyBuilder busy = FamilyBuilder::Counter("objpool_worker_busy_seconds_total",
                                              "Time that the worker did not wait for events.");
  FamilyBuilder turns = FamilyBuilder::Counter("objpool_worker_turns_total",
                                               "Turns of the worker's loop, idle ones included.");
  FamilyBuilder pinned =
      FamilyBuilder::Gauge("objpool_worker_pinned", "1 when the worker is pinned to its CPU.");
  for (uint32_t worker = 0; worker < sources.engine.workers(); ++worker) {
    const Cpu& cpu = sources.slots.owner(worker);
    const rpc::WorkerStats& stats = sources.engine.stats(worker);
    const Labels labels = {{"worker", std::to_string(worker)},
                           {"cpu", std::to_string(cpu.os_index)},
                           {"node", std::to_string(cpu.node)}};
    busy.Add(static_cast<double>(stats.busy_ns.value()) * kSecondsPerNs, labels);
    turns.Add(stats.turns.value(), labels);
    pinned.Add(sources.pins.pinned(worker) ? 1 : 0, labels);
  }
  FamilyBuilder losses = FamilyBuilder::Counter(
      "objpool_worker_pin_losses_total",
      "How often a worker was found off its CPU: the CPUs of the server were changed.");
  losses.Add(sources.pins.losses());
  for (FamilyBuilder* const family : {&busy, &turns, &pinned, &losses}) {
    families.push_back(family->Take());
  }
}

}  // namespace

void AppendRpcMetrics(const CollectorSources& sources,
                      std::vector<prometheus::MetricFamily>& families) {
  RpcFamilies rpcs;
  const auto methods = sources.methods.methods();
  for (std::size_t i = 0; i < methods.size(); ++i) {
    rpcs.Add({{"grpc_type", methods[i].unary() ? "unary" : "bidi_stream"},
              {"grpc_service", methods[i].service},
              {"grpc_method", methods[i].name}},
             SumOf(sources.engine, i));
  }
  // Names that clients make up are no labels: they would be without end.
  rpcs.Add({{"grpc_type", "unknown"}, {"grpc_service", "unknown"}, {"grpc_method", "unknown"}},
           SumOf(sources.engine, methods.size()));
  for (FamilyBuilder* const family : {&rpcs.started, &rpcs.handled, &rpcs.latency}) {
    families.push_back(family->Take());
  }
  AppendWorkers(sources, families);
}

}  // namespace objpool::server
