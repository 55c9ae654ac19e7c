#include "pool/slot_map.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "pool/base/check.h"

namespace objpool {
namespace {

StealDistance DistanceBetween(const Cpu& a, const Cpu& b) {
  if (a.node != b.node) return StealDistance::kRemoteNode;
  if (a.cache != b.cache) return StealDistance::kSameNode;
  return a.core == b.core ? StealDistance::kSameCore : StealDistance::kSameCache;
}

}  // namespace

SlotMap::SlotMap(const Topology& topology, std::vector<Cpu> owners) : owners_(std::move(owners)) {
  OBJPOOL_CHECK(!owners_.empty() && owners_.size() <= kMaxSlots, "1 .. 1024 slots");
  std::sort(owners_.begin(), owners_.end(), [](const Cpu& a, const Cpu& b) {
    return std::tie(a.node, a.os_index) < std::tie(b.node, b.os_index);
  });
  for (const Cpu& cpu : owners_) {
    if (nodes_.empty() || nodes_.back() != cpu.node) nodes_.push_back(cpu.node);
  }
  const SlotId count = slots();
  order_.reserve(std::size_t{count} * (count - 1));
  for (SlotId thief = 0; thief < count; ++thief) {
    const std::size_t begin = order_.size();
    for (SlotId step = 1; step < count; ++step) {
      const SlotId victim = (thief + step) % count;
      order_.push_back({victim, DistanceBetween(owners_[thief], owners_[victim])});
    }
    const auto rank = [&](const StealTarget& t) {
      return std::pair(t.distance, topology.Distance(owners_[thief].node, owners_[t.slot].node));
    };
    std::stable_sort(order_.begin() + static_cast<std::ptrdiff_t>(begin), order_.end(),
                     [&](const StealTarget& a, const StealTarget& b) { return rank(a) < rank(b); });
    // From the last one back: a class ends where the next one begins.
    for (std::size_t i = order_.size(); i > begin; --i) {
      StealTarget& target = order_[i - 1];
      const bool last = i == order_.size() || rank(target) != rank(order_[i]);
      target.class_end = last ? static_cast<uint32_t>(i - begin) : order_[i].class_end;
    }
  }
}

std::shared_ptr<const SlotMap> SlotMap::ForAllCpus(const Topology& topology) {
  return std::make_shared<const SlotMap>(topology, topology.cpus());
}

}  // namespace objpool
