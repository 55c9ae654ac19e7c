#include "server/slot_rows.h"

namespace objpool::server {

std::vector<SlotRow> SlotRows(const SlotMap& map, std::size_t pools, bool by_cpu) {
  const bool by_node = (map.slots() > kMaxCpus && !by_cpu) || pools * map.slots() > kMaxCpuRows;
  std::vector<SlotRow> rows;
  for (SlotId slot = 0; slot < map.slots(); ++slot) {
    const Cpu& cpu = map.owner(slot);
    const std::string node = std::to_string(cpu.node);
    if (!by_node || rows.empty() || rows.back().node != node) {
      rows.push_back({by_node ? "all" : std::to_string(cpu.os_index), node, {}});
    }
    rows.back().slots.push_back(slot);
  }
  return rows;
}

}  // namespace objpool::server
