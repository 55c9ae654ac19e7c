// KernelRing: one slot of the Linux kernel's objpool, written anew with C++ atomics.
//
// The algorithm: a ring of a power of two of entries and three free-running counters. A push
// reserves an entry by CAS on tail, writes it, and publishes it through last; a pop reads the entry
// at head and takes it by CAS on head. There is room for every object of the pool, so a push is
// never refused. In the kernel both run with interrupts off.
//
//   I1  One thread pushes. Two of them may publish an entry that is not written yet.
//   I2  The ring is never full, so no entry is written over before it is taken.
//   R1  Push stores last    pairs with  A1  Pop loads it: the entry is written
// Progress: lock-free. Any thread pops.
//
// `kPadded` keeps apart what the pusher and the thieves write; the kernel does not. A test has
// its own `Atomic` (tests/unit/kernel_ring_control_test.cc).
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "pool/base/cache_line.h"
#include "pool/pool.h"

namespace objpool::bench {

template <bool kPadded, template <typename> typename Atomic = std::atomic>
class alignas(base::kCacheLineBytes) KernelRing {
 public:
  // Room for all `objects` of the pool.
  explicit KernelRing(uint32_t objects)
      : mask_(std::bit_ceil(objects) - 1),
        objects_(objects),
        entries_(new Atomic<Handle>[std::size_t{mask_} + 1]) {}

  void Push(Handle handle) {
    uint32_t tail = tail_.load(std::memory_order_relaxed);
    while (!tail_.compare_exchange_weak(tail, tail + 1, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
    }
    entries_[tail & mask_].store(handle, std::memory_order_relaxed);
    last_.store(tail + 1, std::memory_order_release);  // R1 -> A1
  }

  [[nodiscard]] Handle Pop() {
    uint32_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      const uint32_t last = last_.load(std::memory_order_acquire);  // A1
      if (head == last) return kNoHandle;
      // An old last may be behind a new head.
      if (last - head > objects_) {
        head = head_.load(std::memory_order_acquire);
        continue;
      }
      const Handle handle = entries_[head & mask_].load(std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_release,
                                      std::memory_order_acquire)) {
        return handle;
      }
    }
  }

 private:
  static constexpr std::size_t kApart = kPadded ? base::kCacheLineBytes : alignof(uint32_t);

  alignas(kApart) Atomic<uint32_t> head_{0};
  alignas(kApart) Atomic<uint32_t> tail_{0};
  Atomic<uint32_t> last_{0};
  alignas(kApart) const uint32_t mask_;
  const uint32_t objects_;
  const std::unique_ptr<Atomic<Handle>[]> entries_;
};

}  // namespace objpool::bench
