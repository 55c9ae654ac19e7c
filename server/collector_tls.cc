// Certificates, and the handshakes that the engine sees.
#include <array>
#include <cstdint>

#include "server/collector.h"
#include "server/metrics/families.h"
#include "server/rpc/tls_keys.h"
#include "server/rpc/tls_stats.h"

namespace objpool::server {

using metrics::FamilyBuilder;

void AppendTlsMetrics(const CollectorSources& sources,
                      std::vector<prometheus::MetricFamily>& families) {
  if (sources.tls == nullptr) return;
  families.push_back(FamilyBuilder("objpool_tls_certificate_expiry_timestamp_seconds")
                         .Add(static_cast<double>(sources.tls->expires_at_s()))
                         .Take());
  families.push_back(FamilyBuilder("objpool_tls_reloads_total")
                         .Add(sources.tls->loaded(), {{"result", "loaded"}})
                         .Add(sources.tls->failed(), {{"result", "failed"}})
                         .Take());
  if (!sources.engine.counts_connections()) return;
  uint64_t handshakes = 0;
  std::array<uint64_t, rpc::kTlsFailures> failures{};
  for (uint32_t worker = 0; worker < sources.engine.workers(); ++worker) {
    const rpc::TlsStats& stats = sources.engine.stats(worker).tls;
    handshakes += stats.handshakes.value();
    for (std::size_t i = 0; i < failures.size(); ++i) failures[i] += stats.failures[i].value();
  }
  families.push_back(FamilyBuilder("objpool_tls_handshakes_total").Add(handshakes).Take());
  FamilyBuilder failed("objpool_tls_handshake_failures_total");
  for (std::size_t i = 0; i < failures.size(); ++i) {
    failed.Add(failures[i], {{"reason", rpc::kTlsFailureNames[i]}});
  }
  families.push_back(failed.Take());
}

}  // namespace objpool::server
