// Sessions, and what they left behind.
#include "server/collector.h"
#include "server/metrics/families.h"

namespace objpool::server {

using metrics::FamilyBuilder;

void AppendSessionMetrics(const CollectorSources& sources,
                          std::vector<prometheus::MetricFamily>& families) {
  const SessionService::Totals totals = sources.sessions.Look();
  families.push_back(FamilyBuilder("objpool_sessions_open").Add(totals.open).Take());
  families.push_back(FamilyBuilder("objpool_sessions_lingering").Add(totals.lingering).Take());
  families.push_back(FamilyBuilder("objpool_session_grants").Add(totals.grants).Take());
  families.push_back(FamilyBuilder("objpool_sessions_resumed_total").Add(totals.resumed).Take());
  families.push_back(FamilyBuilder("objpool_sessions_lapsed_total").Add(totals.lapsed).Take());
  families.push_back(
      FamilyBuilder("objpool_session_grants_given_back_total").Add(totals.given_back).Take());
}

}  // namespace objpool::server
