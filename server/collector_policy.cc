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
  families.push_back(
      FamilyBuilder::Gauge("objpool_policy_rules",
                           "Rules of the policy in force; 0 also where there is no policy.")
          .Add(policy.rules())
          .Take());
  families.push_back(
      FamilyBuilder::Gauge("objpool_policy_stale",
                           "1 when the policy file is wrong and the one before is in force.")
          .Add(policy.stale() ? 1 : 0)
          .Take());
  families.push_back(FamilyBuilder::Counter("objpool_policy_reloads_total",
                                            "How often the policy file was read again, by result.")
                         .Add(policy.reloaded(), {{"result", "ok"}})
                         .Add(policy.failed(), {{"result", "failed"}})
                         .Take());
  FamilyBuilder denied = FamilyBuilder::Counter(
      "objpool_calls_denied_total",
      "Calls, and operations of sessions, that the client may not make, by group of methods.");
  for (std::size_t i = 0; i < settings::kGroupNames.size(); ++i) {
    denied.Add(sources.gate.denied(static_cast<settings::Group>(i)),
               {{"group", settings::kGroupNames[i]}});
  }
  families.push_back(denied.Take());
  const AuditLog* const audit = sources.audit;
  families.push_back(FamilyBuilder::Counter("objpool_audit_records_total",
                                            "Records of the audit log, by what became of them.")
                         .Add(audit == nullptr ? 0 : audit->written(), {{"result", "written"}})
                         .Add(audit == nullptr ? 0 : audit->dropped(), {{"result", "dropped"}})
                         .Take());
}

}  // namespace objpool::server
