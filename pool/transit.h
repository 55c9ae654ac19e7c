// For the parts of pool.cc: hands that hold handles of a pool.
#pragma once

#include <atomic>

#include "pool/pool.h"

namespace objpool {

// While it lives, its thread holds handles that it will put into `slot`, or give to a client:
// nobody says meanwhile that the pool is empty. Taken before a handle leaves its place, given up
// after it has its next one.
class Pool::InTransit {
 public:
  explicit InTransit(Slot& slot) : transit_(slot.depot.transit) {
    // Sequentially consistent: a thread that sees a place emptied by this one sees the transit too.
    transit_.fetch_add(1, std::memory_order_seq_cst);
  }
  ~InTransit() { transit_.fetch_sub(1, std::memory_order_release); }
  InTransit(const InTransit&) = delete;
  InTransit& operator=(const InTransit&) = delete;

 private:
  Sync::Atomic<uint32_t>& transit_;
};

// Visits every other attached slot, nearest first, beginning anywhere among those that are equally
// near, until `visit(victim, distance)` is true. Whether it was.
template <typename Visit>
bool Pool::VisitOthers(Slot& own, Visit visit) const {
  const auto order = map_->order(own.id);
  for (std::size_t begin = 0; begin < order.size(); begin = order[begin].class_end) {
    const std::size_t count = order[begin].class_end - begin;
    own.random =
        own.random * 1664525 + 1013904223;  // Numerical Recipes' generator: cheap is enough
    const std::size_t first = count == 1 ? 0 : (own.random >> 8) % count;
    for (std::size_t i = 0; i < count; ++i) {
      const StealTarget& target = order[begin + ((first + i) % count)];
      Slot* const victim = Find(target.slot);
      if (victim != nullptr && visit(*victim, static_cast<std::size_t>(target.distance))) {
        return true;
      }
    }
  }
  return false;
}

// The most blocks that a thief takes at once.
inline constexpr uint32_t kMaxStolenBlocks = 16;

}  // namespace objpool
