#include "pool/topology.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace objpool {

Topology::Topology(std::vector<Cpu> cpus, std::vector<NodeDistance> distances)
    : cpus_(std::move(cpus)), distances_(std::move(distances)) {
  std::sort(cpus_.begin(), cpus_.end(), [](const Cpu& a, const Cpu& b) {
    return std::tie(a.node, a.os_index) < std::tie(b.node, b.os_index);
  });
}

uint32_t Topology::Distance(uint32_t from_node, uint32_t to_node) const {
  for (const NodeDistance& d : distances_) {
    if (d.from_node == from_node && d.to_node == to_node) return d.distance;
  }
  return from_node == to_node ? 10 : 20;
}

}  // namespace objpool
