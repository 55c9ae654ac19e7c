// VyukovRing: Dmitry Vyukov's bounded queue for many producers and consumers.
//
// Each cell has a turn: 2k when it may be written in lap k, 2k + 1 when it may be read. Pop says
// "none" at a cell that is not written yet, even if later ones are.
//   R1  Push stores the odd turn    pairs with  A1  Pop loads it: the handle is there
//   R2  Pop stores the even turn    pairs with  A2  Push loads it: the cell is free
// Progress: a thread that stops between its two steps blocks that cell for all. Any thread.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pool/base/cache_line.h"
#include "pool/pool.h"

namespace objpool::bench {

class VyukovRing {
 public:
  // Never full as long as there are no more than `handles` of them.
  explicit VyukovRing(uint32_t handles)
      : cells_(std::bit_ceil(handles)),
        bits_(static_cast<uint32_t>(std::countr_zero(cells_.size()))) {}

  void Push(Handle handle) {
    uint64_t at = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[at & (cells_.size() - 1)];
      const uint64_t turn = cell.turn.load(std::memory_order_acquire);  // A2
      const uint64_t wanted = 2 * (at >> bits_);
      if (turn != wanted) {
        at = tail_.load(std::memory_order_relaxed);
      } else if (tail_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) {
        cell.handle = handle;
        cell.turn.store(wanted + 1, std::memory_order_release);  // R1
        return;
      }
    }
  }

  [[nodiscard]] Handle Pop() {
    uint64_t at = head_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[at & (cells_.size() - 1)];
      const uint64_t turn = cell.turn.load(std::memory_order_acquire);  // A1
      const uint64_t wanted = (2 * (at >> bits_)) + 1;
      if (turn < wanted) return kNoHandle;
      if (turn > wanted) {
        at = head_.load(std::memory_order_relaxed);
      } else if (head_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) {
        const Handle handle = cell.handle;
        cell.turn.store(wanted + 1, std::memory_order_release);  // R2
        return handle;
      }
    }
  }

 private:
  struct Cell {
    std::atomic<uint64_t> turn{0};
    Handle handle = kNoHandle;
  };

  std::vector<Cell> cells_;
  const uint32_t bits_;
  alignas(base::kCacheLineBytes) std::atomic<uint64_t> head_{0};
  alignas(base::kCacheLineBytes) std::atomic<uint64_t> tail_{0};
};

}  // namespace objpool::bench
