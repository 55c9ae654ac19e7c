// Slot: one worker's share of a pool, as pool.cc and its parts see it.
//
// What the owner works on, what any thread may take from, and what others write lie on lines of
// their own, so that a thief at the depot does not slow the owner down.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "pool/base/cache_line.h"
#include "pool/base/counter.h"
#include "pool/bias.h"
#include "pool/block_stack.h"
#include "pool/magazine.h"
#include "pool/slot_map.h"
#include "pool/sync.h"

namespace objpool {

// The blocks of one pool, in a row; as long as a block's handles need.
class BlockArray {
 public:
  BlockArray(std::byte* base, std::size_t stride) : base_(base), stride_(stride) {}
  // From 1 on.
  [[nodiscard]] Block<Sync>& operator[](uint32_t index) const {
    return *reinterpret_cast<Block<Sync>*>(base_ + ((index - 1) * stride_));
  }
  void Prefetch(uint32_t index) const {
    constexpr std::size_t kLine = base::kCacheLineBytes / 2;
    const std::byte* const block = base_ + ((index - 1) * stride_);
    for (std::size_t at = 0; at < stride_; at += kLine) __builtin_prefetch(block + at, 1);
  }

 private:
  std::byte* base_;
  std::size_t stride_;
};

using BlockList = BlockStack<Sync, BlockArray>;
using StealCounters = std::array<base::Counter, kStealDistances>;

// Where any thread may take whole blocks.
struct Depot {
  alignas(base::kCacheLineBytes) BlockList full;  // with at least one handle each
  // Counters that others than the owner write, on the line that they changed just before.
  std::atomic<uint64_t> pushes_from_elsewhere{0};
  std::array<std::atomic<uint64_t>, kStealDistances> stolen_from{};
  alignas(base::kCacheLineBytes) BlockList empty;
  // Hands that hold handles which they will put into this slot (or out to a client): while it is
  // not 0, what they hold is in no slot, and nobody may say that the pool is empty.
  alignas(base::kCacheLineBytes) Sync::Atomic<uint32_t> transit{0};
};

class Pool;

// What is the same in all slots of a pool.
struct SlotTraits {
  Pool& pool;
  bool biased;
  uint32_t handle_end;  // of the pool: one more than its highest handle
  uint32_t push_room;
};

struct alignas(base::kCacheLineBytes) Slot {
  Slot(const SlotTraits& traits, uint32_t number)
      : bias(traits.biased),
        handle_end(traits.handle_end),
        push_room(traits.push_room),
        pool(traits.pool),
        id(number),
        random(number + 1) {}

  // All that the owner's fast ways read, but the handles, is in the first line.
  Bias<Sync> bias;
  const uint32_t handle_end;
  const uint32_t push_room;  // of the magazine, for the fast way; 0 where each push takes the slow
  Magazine<Sync, 2 * kMaxBlockHandles> magazine;

  // The owner's, on the slow ways.
  Pool& pool;
  const uint32_t id;
  uint32_t attached = 0;  // handles that began here; final before others see the slot
  uint32_t random;        // where among equals a thief begins
  base::Counter depot_hits, batch_hits, direct_pushes, misses;
  StealCounters acquired_by_steal, stolen_by;

  Depot depot;

  // For the checked build: who owns it, as an address of that thread's own; null before the first
  // use.
  std::atomic<const void*> owner{nullptr};
};

}  // namespace objpool
