// SlotMap: which CPU owns which slot, and in what order each slot steals from the others.
//
// Pure: it decides from a Topology and touches nothing. One map serves all pools of a process.
// Thread-safe to read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pool/topology.h"

namespace objpool {

// A slot, and the worker that owns it, by number: 0 .. slots - 1.
using SlotId = uint32_t;

// How far a thief is from its victim: the nearest thing that their CPUs share.
enum class StealDistance : uint8_t { kSameCore, kSameCache, kSameNode, kRemoteNode };
inline constexpr std::size_t kStealDistances = 4;

// Names as metrics and tools print them, indexed by StealDistance.
inline constexpr std::array<const char*, kStealDistances> kStealDistanceNames = {
    "same_core", "same_cache", "same_node", "remote_node"};

struct StealTarget {
  SlotId slot;
  StealDistance distance;
  // Where in the order the first one follows that is farther away than this one.
  uint32_t class_end = 0;
};

class SlotMap {
 public:
  // At least one owner, at most kMaxSlots. Slots are numbered by node, then by CPU, so that the
  // slots of a node are neighbours.
  static constexpr std::size_t kMaxSlots = 1024;
  SlotMap(const Topology& topology, std::vector<Cpu> owners);

  // Shared, because pools of any lifetime point to one map.
  [[nodiscard]] static std::shared_ptr<const SlotMap> ForAllCpus(const Topology& topology);

  [[nodiscard]] uint32_t slots() const { return static_cast<uint32_t>(owners_.size()); }
  [[nodiscard]] const Cpu& owner(SlotId slot) const { return owners_[slot]; }
  // All other slots, nearest first: by StealDistance, then by node distance, then by number,
  // counted up from the thief's own so that neighbours do not all rob the same victim.
  [[nodiscard]] std::span<const StealTarget> order(SlotId thief) const {
    return std::span(order_).subspan(std::size_t{thief} * (owners_.size() - 1), owners_.size() - 1);
  }
  // NUMA nodes that own slots, rising.
  [[nodiscard]] const std::vector<uint32_t>& nodes() const { return nodes_; }

 private:
  std::vector<Cpu> owners_;
  std::vector<StealTarget> order_;  // slots x (slots - 1)
  std::vector<uint32_t> nodes_;
};

// Handles [first, last) that begin in `slot` when `capacity` of them are dealt out to `slots`.
struct Share {
  uint32_t first;
  uint32_t last;
};
[[nodiscard]] constexpr Share ShareOf(uint32_t capacity, uint32_t slots, SlotId slot) {
  const auto edge = [&](uint64_t s) { return static_cast<uint32_t>(s * capacity / slots); };
  return {edge(slot), edge(uint64_t{slot} + 1)};
}
// The slot whose share `handle` is in.
[[nodiscard]] constexpr SlotId HomeOf(uint32_t capacity, uint32_t slots, uint32_t handle) {
  return static_cast<SlotId>(((uint64_t{handle} + 1) * slots - 1) / capacity);
}

}  // namespace objpool
