// Pools of a few lines: a mutex, a ring, and what a pool costs that guards nothing or is not there.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "pool/pool.h"
#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/run_cell.h"
#include "tests/bench/pool/vyukov_ring.h"

namespace objpool::bench {
namespace {

constexpr uint32_t kAnyThreads = std::numeric_limits<uint32_t>::max();

// Last in, first out, without any guard. One thread.
class Magazine {
 public:
  using Item = Handle;
  static constexpr Item kNone = kNoHandle;
  static constexpr uint32_t kThreads = 1;
  static constexpr bool kConserves = true;

  explicit Magazine(const Shape& shape) : handles_(shape.capacity) {}

  class Worker {
   public:
    Worker(Magazine& pool, uint32_t) : pool_(pool) {}

    Item Pop() { return pool_.count_ == 0 ? kNone : pool_.handles_[--pool_.count_]; }
    void Push(Item item) { pool_.handles_[pool_.count_++] = item; }
    uint32_t PopBatch(Item* items, uint32_t count) {
      count = std::min(count, pool_.count_);
      pool_.count_ -= count;
      std::copy_n(&pool_.handles_[pool_.count_], count, items);
      return count;
    }
    void PushBatch(const Item* items, uint32_t count) {
      std::copy_n(items, count, &pool_.handles_[pool_.count_]);
      pool_.count_ += count;
    }
    void Fill(std::span<const uint32_t> share) {
      for (const uint32_t handle : share) Push(handle);
    }

   private:
    Magazine& pool_;
  };

 private:
  std::vector<Handle> handles_;
  uint32_t count_ = 0;
};

class MutexPool {
 public:
  using Item = Handle;
  static constexpr Item kNone = kNoHandle;
  static constexpr uint32_t kThreads = kAnyThreads;
  static constexpr bool kConserves = true;

  explicit MutexPool(const Shape& shape) { free_.reserve(shape.capacity); }

  class Worker {
   public:
    Worker(MutexPool& pool, uint32_t) : pool_(pool) {}

    Item Pop() {
      const std::scoped_lock lock(pool_.lock_);
      if (pool_.free_.empty()) return kNone;
      const Handle handle = pool_.free_.back();
      pool_.free_.pop_back();
      return handle;
    }
    void Push(Item item) {
      const std::scoped_lock lock(pool_.lock_);
      pool_.free_.push_back(item);
    }
    uint32_t PopBatch(Item* items, uint32_t wanted) {
      const std::scoped_lock lock(pool_.lock_);
      const auto count = std::min<std::size_t>(wanted, pool_.free_.size());
      const auto first = pool_.free_.end() - static_cast<std::ptrdiff_t>(count);
      std::copy(first, pool_.free_.end(), items);
      pool_.free_.erase(first, pool_.free_.end());
      return static_cast<uint32_t>(count);
    }
    void PushBatch(const Item* items, uint32_t count) {
      const std::scoped_lock lock(pool_.lock_);
      pool_.free_.insert(pool_.free_.end(), items, items + count);
    }
    void Fill(std::span<const uint32_t> share) {
      PushBatch(share.data(), static_cast<uint32_t>(share.size()));
    }

   private:
    MutexPool& pool_;
  };

 private:
  std::mutex lock_;
  std::vector<Handle> free_;
};

class VyukovPool {
 public:
  using Item = Handle;
  static constexpr Item kNone = kNoHandle;
  static constexpr uint32_t kThreads = kAnyThreads;
  static constexpr bool kConserves = true;

  explicit VyukovPool(const Shape& shape) : ring_(shape.capacity) {}

  class Worker {
   public:
    Worker(VyukovPool& pool, uint32_t) : ring_(pool.ring_) {}

    Item Pop() { return ring_.Pop(); }
    void Push(Item item) { ring_.Push(item); }
    void Fill(std::span<const uint32_t> share) {
      for (const uint32_t handle : share) Push(handle);
    }

   private:
    VyukovRing& ring_;
  };

 private:
  VyukovRing ring_;
};

// No pool: what the loops and the hand-off cost by themselves.
class NoPool {
 public:
  using Item = Handle;
  static constexpr Item kNone = kNoHandle;
  static constexpr uint32_t kThreads = kAnyThreads;
  static constexpr bool kConserves = false;

  explicit NoPool(const Shape& shape) : mask_(std::bit_floor(shape.capacity) - 1) {}

  class Worker {
   public:
    Worker(NoPool& pool, uint32_t) : mask_(pool.mask_) {}

    Item Pop() { return next_++ & mask_; }
    void Push(Item item) { Use(item); }
    void Fill(std::span<const uint32_t>) {}

   private:
    const uint32_t mask_;
    uint32_t next_ = 0;
  };

 private:
  const uint32_t mask_;
};

}  // namespace

void AddSimple(Contenders& to) {
  to.push_back(std::make_unique<ContenderOf<MutexPool>>("mutex+vector"));
  to.push_back(std::make_unique<ContenderOf<VyukovPool>>("vyukov ring"));
  to.push_back(std::make_unique<ContenderOf<Magazine>>("magazine (unsafe floor)"));
  to.push_back(std::make_unique<ContenderOf<NoPool>>("no pool (loop alone)"));
}

}  // namespace objpool::bench
