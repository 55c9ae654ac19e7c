// WorkerPlan: how many workers there are, and which CPU each has.
//
// Pure: it decides from a topology, a quota and a wish.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pool/slot_map.h"
#include "pool/topology.h"

namespace objpool::server {

struct WorkerPlan {
  // The CPU that each worker is pinned to; empty for one that is not pinned.
  std::vector<std::optional<uint32_t>> cpus;
  // Worker i owns slot i.
  std::shared_ptr<const SlotMap> slots;
  // Why workers are not pinned; empty when they are.
  std::string unpinned_because;
};

// `wanted` workers, or with 0 one for each CPU; with a quota of fewer CPUs, as many as the quota,
// and those not pinned: a thread that is pinned and throttled makes its connections wait although
// another CPU is idle. None, with `why`, when there are fewer CPUs than `wanted`.
[[nodiscard]] std::optional<WorkerPlan> PlanWorkers(const Topology& topology,
                                                    std::optional<double> quota_cpus,
                                                    uint32_t wanted, std::string& why);

}  // namespace objpool::server
