// Machines for tests: topologies that need not exist.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pool/slot_map.h"
#include "pool/topology.h"

namespace objpool::testing {

// `nodes` NUMA nodes with `caches` last-level caches of `cores` cores of two hardware threads each.
// Node distances grow by 10 with each step between node numbers.
inline Topology FakeMachine(uint32_t nodes, uint32_t caches, uint32_t cores, uint32_t threads = 2) {
  std::vector<Cpu> cpus;
  std::vector<Topology::NodeDistance> distances;
  for (uint32_t node = 0; node < nodes; ++node) {
    for (uint32_t cache = 0; cache < caches; ++cache) {
      for (uint32_t core = 0; core < cores; ++core) {
        for (uint32_t thread = 0; thread < threads; ++thread) {
          const uint32_t cache_index = (node * caches) + cache;
          cpus.push_back({.os_index = static_cast<uint32_t>(cpus.size()),
                          .core = (cache_index * cores) + core,
                          .cache = cache_index,
                          .node = node});
        }
      }
    }
    for (uint32_t to = 0; to < nodes; ++to) {
      distances.push_back({node, to, 10 + (10 * (node > to ? node - to : to - node))});
    }
  }
  return Topology(std::move(cpus), std::move(distances));
}

// `slots` slots on one node, each on a core of its own.
inline std::shared_ptr<const SlotMap> FlatSlots(uint32_t slots) {
  return SlotMap::ForAllCpus(FakeMachine(1, 1, slots, 1));
}

}  // namespace objpool::testing
