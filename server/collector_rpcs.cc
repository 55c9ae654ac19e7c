// Calls, by method and code, and the workers that serve them. The names of the first are those that
// every gRPC dashboard knows.
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "server/collector.h"
#include "server/histogram_sum.h"
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
  HistogramSum<rpc::kLatencyBounds.size()> latency{kSecondsPerNs};
};

RpcSum SumOf(const rpc::Engine& engine, std::size_t method) {
  RpcSum sum;
  for (uint32_t worker = 0; worker < engine.workers(); ++worker) {
    const rpc::RpcCell& cell = engine.stats(worker).rpcs[method];
    for (std::size_t code = 0; code < rpc::kCodes; ++code) {
      sum.handled[code] += cell.handled[code].value();
    }
    sum.latency.Add(cell.latency);
    // Read last: a call that ended has started.
    sum.started += cell.started.value();
  }
  return sum;
}

struct RpcFamilies {
  FamilyBuilder started{"grpc_server_started_total"};
  FamilyBuilder handled{"grpc_server_handled_total"};
  FamilyBuilder latency{"grpc_server_handling_seconds"};

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
    sum.latency.WriteTo(latency, labels);
  }
};

void AppendWorkers(const CollectorSources& sources,
                   std::vector<prometheus::MetricFamily>& families) {
  FamilyBuilder busy{"objpool_worker_busy_seconds_total"};
  FamilyBuilder turns{"objpool_worker_turns_total"};
  FamilyBuilder delay("objpool_worker_poll_delay_seconds");
  HistogramSum<rpc::kPollDelayBounds.size()> delays(kSecondsPerNs);
  FamilyBuilder pinned{"objpool_worker_pinned"};
  for (uint32_t worker = 0; worker < sources.engine.workers(); ++worker) {
    const Cpu& cpu = sources.slots.owner(worker);
    const rpc::WorkerStats& stats = sources.engine.stats(worker);
    const Labels labels = {{"worker", std::to_string(worker)},
                           {"cpu", std::to_string(cpu.os_index)},
                           {"node", std::to_string(cpu.node)}};
    busy.Add(static_cast<double>(stats.busy_ns.value()) * kSecondsPerNs, labels);
    turns.Add(stats.turns.value(), labels);
    delays.Add(stats.poll_delay);
    pinned.Add(sources.pins.pinned(worker) ? 1 : 0, labels);
  }
  FamilyBuilder losses{"objpool_worker_pin_losses_total"};
  losses.Add(sources.pins.losses());
  delays.WriteTo(delay, {});
  for (FamilyBuilder* const family : {&busy, &turns, &delay, &pinned, &losses}) {
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
