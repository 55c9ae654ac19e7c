#include "server/worker_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace objpool::server {
namespace {

std::string QuotaText(double cpus) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", cpus);
  return text;
}

}  // namespace

std::optional<WorkerPlan> PlanWorkers(const Topology& topology, std::optional<double> quota_cpus,
                                      uint32_t wanted, std::string& why) {
  const std::size_t usable = std::min(topology.cpus().size(), SlotMap::kMaxSlots);
  if (wanted > usable) {
    why = "workers: must be at most " + std::to_string(usable) +
          ", the CPUs that this process may use, but is " + std::to_string(wanted);
    return std::nullopt;
  }
  WorkerPlan plan;
  std::size_t count = wanted == 0 ? usable : wanted;
  if (quota_cpus && *quota_cpus < static_cast<double>(count)) {
    plan.unpinned_because = "the CPU quota is " + QuotaText(*quota_cpus) + " CPUs";
    const auto quota = static_cast<std::size_t>(std::max(1.0, std::ceil(*quota_cpus)));
    if (wanted == 0) count = std::min(count, quota);
  }
  std::vector<Cpu> owners(topology.cpus().begin(),
                          topology.cpus().begin() + static_cast<std::ptrdiff_t>(count));
  plan.slots = std::make_shared<const SlotMap>(topology, std::move(owners));
  for (SlotId worker = 0; worker < count; ++worker) {
    const uint32_t cpu = plan.slots->owner(worker).os_index;
    plan.cpus.push_back(plan.unpinned_because.empty() ? std::optional(cpu) : std::nullopt);
  }
  return plan;
}

}  // namespace objpool::server
