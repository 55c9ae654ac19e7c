// BlockStack: a stack of blocks of handles that any thread may push to and pop from, a chain at a
// time.
//
// A Treiber stack by index: the head is {tag:40 | index:24} in one word. Every change raises the
// tag, so that a swap by a thread that slept does not mistake an old head for a new one (ABA): 2^40
// changes of one stack between two instructions are years of work.
//
//   I1  A block is in one stack, or in the hands of one thread. Its handles and count are touched
//       by those hands only.
//   I2  `next` and `depth` are read of blocks that may have left already; what was read is believed
//       only when the head, tag included, did not change. Blocks are never unmapped while the pool
//       lives.
//   R1  Push releases what is in the chain    pairs with   A1  Pop and PopHalf, acquire. Later
//       swaps of the head continue R1's release sequence, so that a deeper block is covered too.
//   R2  Pop and PopHalf release what came before    pairs with   A2  empty and tag, acquire: who
//       sees a stack emptied sees the transit that was taken for it (transit.h).
//
// Progress: lock-free. Threads: any.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

namespace objpool {

// The most handles of a block: with its header it is 256 bytes.
inline constexpr uint32_t kMaxBlockHandles = 61;

template <typename Sync>
struct Block {
  typename Sync::template Atomic<uint32_t> next{0};   // 0: the last
  typename Sync::template Atomic<uint32_t> depth{0};  // blocks from here to the last, about
  typename Sync::template Plain<uint32_t> count{0};

  // Right behind it, as many as the pool's blocks have room for.
  [[nodiscard]] typename Sync::template Plain<uint32_t>* handles() {
    return reinterpret_cast<typename Sync::template Plain<uint32_t>*>(this + 1);
  }
};

// Blocks `first` to `last` along `next`; none when `first` is 0.
struct Chain {
  uint32_t first = 0;
  uint32_t last = 0;
  uint32_t length = 0;
};

// `Blocks` gives the block of an index from 1 on, blocks[index], and asks the CPU for its lines
// ahead of their use: blocks.Prefetch(index).
template <typename Sync, typename Blocks>
class BlockStack {
 public:
  static constexpr uint32_t kMaxIndex = (1u << 24) - 1;

  void Push(const Blocks& blocks, Chain chain) {
    uint64_t head = head_.load(std::memory_order_relaxed);
    for (;;) {
      const uint32_t below = IndexOf(head);
      uint32_t depth = below == 0 ? 0 : blocks[below].depth.load(std::memory_order_relaxed);
      depth += chain.length;
      for (uint32_t at = chain.first;; at = blocks[at].next.load(std::memory_order_relaxed)) {
        blocks[at].depth.store(depth, std::memory_order_relaxed);
        recent_[depth-- % kRecent].store(at, std::memory_order_relaxed);
        if (at == chain.last) break;
      }
      blocks[chain.last].next.store(below, std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, Next(head, chain.first), std::memory_order_release,
                                      std::memory_order_relaxed)) {  // R1 -> A1
        return;
      }
    }
  }
  void Push(const Blocks& blocks, uint32_t block) { Push(blocks, Chain{block, block, 1}); }

  // 0 when there is none.
  [[nodiscard]] uint32_t Pop(const Blocks& blocks) {
    uint64_t head = head_.load(std::memory_order_acquire);
    while (IndexOf(head) != 0) {
      const uint32_t below = blocks[IndexOf(head)].next.load(std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, Next(head, below), std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {  // A1 <- R1, R2 -> A2
        return IndexOf(head);
      }
    }
    return 0;
  }

  // About half of the blocks, the upper ones; at least one where there is one, at most `limit`.
  [[nodiscard]] Chain PopHalf(const Blocks& blocks, uint32_t limit) {
    uint64_t head = head_.load(std::memory_order_acquire);
    while (IndexOf(head) != 0) {
      Chain chain{IndexOf(head), IndexOf(head), 1};
      blocks.Prefetch(chain.first);
      const uint32_t depth = blocks[chain.first].depth.load(std::memory_order_relaxed);
      const uint32_t want = std::min(limit, (depth + 1) / 2);
      PrefetchBelow(blocks, depth, want);
      uint32_t below = blocks[chain.first].next.load(std::memory_order_relaxed);
      while (chain.length < want && below != 0) {
        chain.last = below;
        ++chain.length;
        below = blocks[below].next.load(std::memory_order_relaxed);
      }
      if (head_.compare_exchange_weak(head, Next(head, below), std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {  // A1 <- R1, R2 -> A2
        return chain;
      }
    }
    return {};
  }

  // Asks for the line that a push or pop will write.
  void PrefetchHead() const { __builtin_prefetch(&head_, 1); }

  [[nodiscard]] bool empty() const { return IndexOf(head_.load(std::memory_order_acquire)) == 0; }
  // Changes with every push and pop.
  [[nodiscard]] uint64_t tag() const { return head_.load(std::memory_order_acquire) >> kIndexBits; }

 private:
  static constexpr int kIndexBits = 24;
  static uint32_t IndexOf(uint64_t head) { return static_cast<uint32_t>(head) & kMaxIndex; }
  static uint64_t Next(uint64_t head, uint32_t index) {
    return ((head >> kIndexBits) + 1) << kIndexBits | index;
  }

  // The lines of another CPU's blocks come all at once, not one after the other along `next`.
  void PrefetchBelow(const Blocks& blocks, uint32_t depth, uint32_t count) const {
    PrefetchHead();
    for (uint32_t i = 1; i < std::min(count, kRecent); ++i) {
      const uint32_t block = recent_[(depth - i) % kRecent].load(std::memory_order_relaxed);
      if (block != 0) blocks.Prefetch(block);
    }
  }

  typename Sync::template Atomic<uint64_t> head_{0};
  // Which block lies at which depth, modulo kRecent: a guess, for prefetching only.
  static constexpr uint32_t kRecent = 16;
  std::array<std::atomic<uint32_t>, kRecent> recent_{};
};

}  // namespace objpool
