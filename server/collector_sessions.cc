// Sessions, and what they left behind.
#include "server/collector.h"
#include "server/metrics/families.h"

namespace objpool::server {

using metrics::FamilyBuilder;

void AppendSessionMetrics(const CollectorSources& sources,
                          std::vector<prometheus::MetricFamily>& families) {
  const SessionService::Totals totals = sources.sessions.Look();
  families.push_back(FamilyBuilder::Gauge("objpool_sessions_open", "Sessions that have a stream.")
                         .Add(totals.open)
                         .Take());
  families.push_back(
      FamilyBuilder::Gauge("objpool_sessions_lingering", "Sessions that have lost their stream.")
          .Add(totals.lingering)
          .Take());
  families.push_back(
      FamilyBuilder::Gauge("objpool_session_grants", "Grants that belong to a session.")
          .Add(totals.grants)
          .Take());
  families.push_back(
      FamilyBuilder::Counter("objpool_sessions_resumed_total", "Sessions that got another stream.")
          .Add(totals.resumed)
          .Take());
  families.push_back(FamilyBuilder::Counter("objpool_sessions_lapsed_total",
                                            "Sessions that were not resumed in time.")
                         .Add(totals.lapsed)
                         .Take());
  families.push_back(
      FamilyBuilder::Counter("objpool_session_grants_given_back_total",
                             "Grants that were returned for sessions that had not been resumed.")
          .Add(totals.given_back)
          .Take());
}

}  // namespace objpool::server
