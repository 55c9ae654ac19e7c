// The pages of the metrics endpoint: what is at which path.
//
//   /              a page that draws pools and slots, live
//   /metrics       everything for Prometheus; as OpenMetrics to who asks for that
//   /healthz       200 while the workers take their turns, 503 when one is stuck
//   /readyz        200 while handles are leased, 503 before and when the server is told to stop
//   /statusz       the server as JSON, objpool.status.v1.ServerStatus
//   /statusz/POOL  one pool with its slots, objpool.status.v1.PoolDetail
#pragma once

#include <string_view>

#include "server/collector.h"
#include "server/metrics/http_endpoint.h"

namespace objpool::server {

struct PageSources {
  CollectorSources cells;
  bool serving = false;
  rpc::BootNs up_since = 0;
};

// Any thread.
[[nodiscard]] metrics::HttpResponse PageAt(std::string_view path, std::string_view accept,
                                           const PageSources& sources);
// At any path, before there is anything to show.
[[nodiscard]] metrics::HttpResponse StartingPage();

}  // namespace objpool::server
