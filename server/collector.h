// Collector: everything that /metrics shows, read from the cells of the workers at each scrape.
//
// It writes nothing and takes no lock that a worker takes; each value is some recent one. The
// names, their meaning and their labels are documented in server/README.md.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <vector>

#include "pool/slot_map.h"
#include "server/page_watch.h"
#include "server/pin_watch.h"
#include "server/policy_file.h"
#include "server/rpc/engine.h"
#include "server/rpc/method_table.h"
#include "server/service/gate.h"
#include "server/service/pool_set.h"
#include "server/service/session_service.h"

namespace objpool::server {

// Where the numbers are; all of it outlives the collector.
struct CollectorSources {
  const PoolSet& pools;
  const SlotMap& slots;
  const rpc::MethodTable& methods;
  const rpc::Engine& engine;
  const SessionService& sessions;
  const DiskAnswers& disk;
  const PinWatch& pins;
  PageWatch& pages;
  const Gate& gate;
  const PolicyFile& policy;
  const AuditLog* audit;    // may be null
  const rpc::TlsKeys* tls;  // null where nothing is encrypted
  bool by_cpu = false;      // a row for each slot, also where there are very many
};

// Every family, those of the process included. Any thread.
[[nodiscard]] std::vector<prometheus::MetricFamily> Collect(const CollectorSources& sources);

// Its parts: what pools and slots hold and hand over; what became of grants; who waits; what goes
// into and out of buffers, and where these are; sessions; connections; TLS; the policy; calls and
// workers.
void AppendPoolMetrics(const CollectorSources& sources,
                       std::vector<prometheus::MetricFamily>& families);
void AppendLeaseMetrics(const CollectorSources& sources,
                        std::vector<prometheus::MetricFamily>& families);
void AppendWaitMetrics(const CollectorSources& sources,
                       std::vector<prometheus::MetricFamily>& families);
void AppendBufferMetrics(const CollectorSources& sources,
                         std::vector<prometheus::MetricFamily>& families);
void AppendPlacementMetrics(const CollectorSources& sources,
                            std::vector<prometheus::MetricFamily>& families);
void AppendSessionMetrics(const CollectorSources& sources,
                          std::vector<prometheus::MetricFamily>& families);
void AppendConnectionMetrics(const CollectorSources& sources,
                             std::vector<prometheus::MetricFamily>& families);
void AppendPolicyMetrics(const CollectorSources& sources,
                         std::vector<prometheus::MetricFamily>& families);
void AppendTlsMetrics(const CollectorSources& sources,
                      std::vector<prometheus::MetricFamily>& families);
void AppendRpcMetrics(const CollectorSources& sources,
                      std::vector<prometheus::MetricFamily>& families);

}  // namespace objpool::server
