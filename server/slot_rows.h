// Which slots are a row of their own in the metrics, and which share one.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "pool/slot_map.h"
#include "server/metrics/families.h"

namespace objpool::server {

// Slots that share their labels.
struct SlotRow {
  std::string cpu;  // "all" for a node's sum
  std::string node;
  std::vector<SlotId> slots;

  [[nodiscard]] metrics::Labels WithPool(const std::string& pool) const {
    return {{"pool", pool}, {"cpu", cpu}, {"node", node}};
  }
};

// Above so many CPUs the slots of a node are one row, unless each is asked for; above so many pairs
// of pool and CPU always, so that a scrape stays small.
inline constexpr std::size_t kMaxCpus = 64;
inline constexpr std::size_t kMaxCpuRows = 4096;
[[nodiscard]] std::vector<SlotRow> SlotRows(const SlotMap& map, std::size_t pools, bool by_cpu);

}  // namespace objpool::server
