#include "server/pages.h"

#include <algorithm>
#include <optional>
#include <string>

#include "server/metrics/exposition.h"
#include "server/service/status.h"
#include "server/web/live_page.h"

namespace objpool::server {
namespace {

constexpr const char* kPlain = "text/plain; charset=utf-8";
constexpr const char* kJson = "application/json";
// A worker that has not turned for so long does not serve: its turns are 20 ms apart at most.
constexpr rpc::BootNs kStuckAfterNs = 5'000'000'000;

metrics::HttpResponse Metrics(std::string_view accept, const CollectorSources& cells) {
  const auto families = Collect(cells);
  if (metrics::WantsOpenMetrics(accept)) {
    return {.code = 200,
            .content_type = std::string(metrics::kOpenMetricsContentType),
            .body = metrics::RenderOpenMetrics(families)};
  }
  return {.code = 200,
          .content_type = std::string(metrics::kTextContentType),
          .body = metrics::Render(families)};
}

WorkerView LookAtWorker(const CollectorSources& cells, uint32_t worker) {
  const Cpu& cpu = cells.slots.owner(worker);
  const rpc::WorkerStats& stats = cells.engine.stats(worker);
  WorkerView view = {.cpu = cpu.os_index,
                     .node = cpu.node,
                     .pinned = cells.pins.pinned(worker),
                     .calls = 0,
                     .calls_under_way = stats.calls_under_way.load(std::memory_order_relaxed),
                     .busy_ns = stats.busy_ns.value(),
                     .turned_at = stats.turned_at.load(std::memory_order_relaxed)};
  for (const rpc::RpcCell& cell : stats.rpcs) view.calls += cell.started.value();
  return view;
}

ServerView LookAtServer(const PageSources& sources) {
  const CollectorSources& cells = sources.cells;
  ServerView view = {.version = OBJPOOL_VERSION,
                     .engine = cells.engine.name() + " " + cells.engine.version(),
                     .address = cells.engine.address(),
                     .serving = sources.serving,
                     .up_since = sources.up_since,
                     .sessions = cells.sessions.Look().open,
                     .workers = {}};
  for (uint32_t worker = 0; worker < cells.engine.workers(); ++worker) {
    view.workers.push_back(LookAtWorker(cells, worker));
  }
  return view;
}

// Since the turn of the worker whose turn is longest ago; who has had none yet is not late.
rpc::BootNs LongestSinceTurn(const rpc::Engine& engine) {
  const rpc::BootNs now = rpc::BootNow();
  rpc::BootNs longest = 0;
  for (uint32_t worker = 0; worker < engine.workers(); ++worker) {
    const auto turned_at = engine.stats(worker).turned_at.load(std::memory_order_relaxed);
    if (turned_at != 0 && now > turned_at) longest = std::max(longest, now - turned_at);
  }
  return longest;
}

metrics::HttpResponse Health(const rpc::Engine& engine) {
  const rpc::BootNs longest = LongestSinceTurn(engine);
  if (longest < kStuckAfterNs) return {.code = 200, .content_type = kPlain, .body = "ok\n"};
  return {.code = 503,
          .content_type = kPlain,
          .body = "a worker has been stuck for " + std::to_string(longest / 1'000'000'000) +
                  " s; see /statusz\n"};
}

}  // namespace

metrics::HttpResponse PageAt(std::string_view path, std::string_view accept,
                             const PageSources& sources) {
  if (path == "/metrics") return Metrics(accept, sources.cells);
  if (path == "/metrics/by_cpu") {
    CollectorSources cells = sources.cells;
    cells.by_cpu = true;
    return Metrics(accept, cells);
  }
  if (path == "/healthz") return Health(sources.cells.engine);
  if (path == "/readyz") {
    return {.code = sources.serving ? 200 : 503,
            .content_type = kPlain,
            .body = sources.serving ? "serving\n" : "not serving\n"};
  }
  if (path == "/statusz") {
    return {.code = 200,
            .content_type = kJson,
            .body = StatusJson(LookAtServer(sources), sources.cells.pools, rpc::BootNow())};
  }
  constexpr std::string_view kOfPool = "/statusz/";
  if (path.starts_with(kOfPool)) {
    std::optional<std::string> json =
        PoolStatusJson(sources.cells.pools, path.substr(kOfPool.size()), rpc::BootNow());
    if (json) return {.code = 200, .content_type = kJson, .body = *std::move(json)};
    return {.code = 404, .content_type = kPlain, .body = "no such pool; see /statusz\n"};
  }
  if (path == "/") {
    return {
        .code = 200, .content_type = "text/html; charset=utf-8", .body = std::string(kLivePage)};
  }
  return {.code = 404,
          .content_type = kPlain,
          .body =
              "no such page; there are / /metrics /metrics/by_cpu /healthz /readyz /statusz "
              "/statusz/POOL\n"};
}

metrics::HttpResponse StartingPage() {
  return {.code = 503, .content_type = kPlain, .body = "starting\n"};
}

}  // namespace objpool::server
