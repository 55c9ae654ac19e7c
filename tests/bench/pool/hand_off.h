// HandOff: a queue from one thread to one other, cheap beside what is timed.
//
// Invariants
//   I1  first_ <= last_ <= first_ + capacity, as unsigned differences; slots in between belong to
//       the taker, all others to the giver.
// Edges
//   R1  Publish stores last_       pairs with  A1  Take loads it: the items are there
//   R2  Take stores first_         pairs with  A2  TryPut loads it: the slots are free again
// Progress: wait-free. TryPut and Publish by one thread, Take by one other.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pool/base/cache_line.h"

namespace objpool::bench {

template <typename Item>
class HandOff {
 public:
  // A power of two, of at least kParts.
  explicit HandOff(uint32_t capacity) : items_(capacity), publish_every_(capacity / kParts) {}

  // False when it is full, and then everything is published.
  [[nodiscard]] bool TryPut(Item item) {
    if (put_ - seen_first_ == items_.size()) {
      seen_first_ = first_.load(std::memory_order_acquire);  // A2
      if (put_ - seen_first_ == items_.size()) {
        Publish();
        return false;
      }
    }
    items_[put_++ & (items_.size() - 1)] = item;
    if ((put_ & (publish_every_ - 1)) == 0) {
      Publish();
      Prefetch<true>(put_ + publish_every_);
    }
    return true;
  }
  // Shows the taker what was put.
  void Publish() { last_.store(put_, std::memory_order_release); }  // R1

  // Gives items that are there, a part of the queue at most, to `take` and returns how many.
  template <typename Taker>
  uint32_t Take(Taker take) {
    const uint32_t first = first_.load(std::memory_order_relaxed);
    uint32_t last = last_.load(std::memory_order_acquire);  // A1
    // No more, for the giver shall not wait for room until all are taken.
    if (last - first > publish_every_) {
      last = first + publish_every_;
      Prefetch<false>(last);
    }
    for (uint32_t i = first; i != last; ++i) take(items_[i & (items_.size() - 1)]);
    if (first != last) first_.store(last, std::memory_order_release);  // R2
    return last - first;
  }

 private:
  // Items are shown by the quarter of the queue, so that the taker seldom reads the line that the
  // giver writes.
  static constexpr uint32_t kParts = 4;

  // Asks for the lines of a part that is used soon, so that the queue costs less than the pool.
  template <bool kToWrite>
  void Prefetch(uint32_t first) {
    constexpr uint32_t kLineItems = 64 / sizeof(Item);
    for (uint32_t i = 0; i < publish_every_; i += kLineItems) {
      __builtin_prefetch(&items_[(first + i) & (items_.size() - 1)], kToWrite);
    }
  }

  std::vector<Item> items_;
  const uint32_t publish_every_;
  // The giver's.
  alignas(base::kCacheLineBytes) std::atomic<uint32_t> last_{0};
  uint32_t put_ = 0;
  uint32_t seen_first_ = 0;
  // The taker's.
  alignas(base::kCacheLineBytes) std::atomic<uint32_t> first_{0};
};

}  // namespace objpool::bench
