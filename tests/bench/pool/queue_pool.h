// QueuePool: a pool out of a queue or stack of handles that has push and a pop that may fail.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "pool/pool.h"
#include "tests/bench/pool/contender.h"

namespace objpool::bench {

// Ops: a type with static Pop(Container&, Handle&) and Push(Container&, Handle), both bool, and
// Make(capacity), which returns a Container.
template <typename Container, typename Ops>
class QueuePool {
 public:
  using Item = Handle;
  static constexpr Item kNone = kNoHandle;
  static constexpr uint32_t kThreads = std::numeric_limits<uint32_t>::max();
  static constexpr bool kConserves = true;

  explicit QueuePool(const Shape& shape) : container_(Ops::Make(shape.capacity)) {}

  class Worker {
   public:
    Worker(QueuePool& pool, uint32_t) : container_(pool.container_) {}

    Item Pop() {
      Handle handle = kNoHandle;
      return Ops::Pop(container_, handle) ? handle : kNoHandle;
    }
    void Push(Item item) { Ops::Push(container_, item); }
    void Fill(std::span<const uint32_t> share) {
      for (const uint32_t handle : share) Push(handle);
    }

   private:
    Container& container_;
  };

 private:
  Container container_;
};

}  // namespace objpool::bench
