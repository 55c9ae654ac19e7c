// The policy, whom it refuses, and what is written down of that.
#include <cstddef>
#include <string>

#include "server/collector.h"
#include "server/metrics/families.h"

namespace objpool::server {

using metrics::FamilyBuilder;

void AppendPolicyMetrics(const CollectorSources& sources,
                         std::vector<prometheus::MetricFamily>& families) {
  const PolicyFile& policy = sources.policy;
  families.push_back(FamilyBuilder("objpool_policy_rules").Add(policy.rules()).Take());
  families.push_back(FamilyBuilder("objpool_policy_stale").Add(policy.stale() ? 1 : 0).Take());
  families.push_back(FamilyBuilder("objpool_policy_reloads_total")
                         .Add(policy.reloaded(), {{"result", "ok"}})
                         .Add(policy.failed(), {{"result", "failed"}})
                         .Take());
  FamilyBuilder denied("objpool_calls_denied_total");
  for (std::size_t i = 0; i < settings::kGroupNames.size(); ++i) {
    denied.Add(sources.gate.denied(static_cast<settings::Group>(i)),
               {{"group", settings::kGroupNames[i]}});
  }
  families.push_back(denied.Take());
  const AuditLog* const audit = sources.audit;
  families.push_back(FamilyBuilder("objpool_audit_records_total")
                         .Add(audit == nullptr ? 0 : audit->written(), {{"result", "written"}})
                         .Add(audit == nullptr ? 0 : audit->dropped(), {{"result", "dropped"}})
                         .Take());
}

}  // namespace objpool::server
