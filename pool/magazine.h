// Magazine: the free handles that the owner of a slot works on, a last-in-first-out array.
//
//   I1  size = pushed + moved - popped. Each of the three is one word; the first and the last only
//       rise, so that they are counters for the outside too.
//   I2  Whoever is inside the slot's exclusion (bias.h) reads and writes it; others read counters.
//   I3  Every gain raises `pushed` or `loads`: a reader that finds both unchanged knows that nothing
//       came in between. It is raised with the gain or after it, never before: a reader that counted
//       a gain already must find it there.
//
// Push and pop are one load of each word and one store, without a locked instruction or a fence.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <span>

namespace objpool {

template <typename Sync, uint32_t kRoom>
class Magazine {
 public:
  // Inside.
  [[nodiscard]] uint32_t size() const {
    return static_cast<uint32_t>(pushed_.load(std::memory_order_relaxed) +
                                 moved_.load(std::memory_order_relaxed) -
                                 popped_.load(std::memory_order_relaxed));
  }
  // `size` is size(), below kRoom.
  void Push(uint32_t size, uint32_t handle) {
    handles_[size] = handle;
    pushed_.store(pushed_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  // `size` is size(), not 0.
  [[nodiscard]] uint32_t Pop(uint32_t size) {
    popped_.store(popped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return handles_[size - 1];
  }
  // The same of many: there is room, or there are as many.
  void PushMany(uint32_t size, std::span<const uint32_t> from) {
    std::copy(from.begin(), from.end(), handles_.begin() + size);
    pushed_.store(pushed_.load(std::memory_order_relaxed) + from.size(), std::memory_order_release);
  }
  void PopMany(uint32_t size, std::span<uint32_t> to) {
    const auto top = handles_.begin() + size;
    std::copy(top - static_cast<std::ptrdiff_t>(to.size()), top, to.begin());
    popped_.store(popped_.load(std::memory_order_relaxed) + to.size(), std::memory_order_relaxed);
  }
  // Handles that come from or go to other places of the pool. Those that leave are the coldest.
  void Load(uint32_t size, std::span<const uint32_t> from) {
    std::copy(from.begin(), from.end(), handles_.begin() + size);
    moved_.store(moved_.load(std::memory_order_relaxed) + from.size(), std::memory_order_release);
    loads_.store(loads_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  void Unload(uint32_t size, std::span<uint32_t> to) {
    const auto count = static_cast<std::ptrdiff_t>(to.size());
    std::copy(handles_.begin(), handles_.begin() + count, to.begin());
    std::copy(handles_.begin() + count, handles_.begin() + size, handles_.begin());
    moved_.store(moved_.load(std::memory_order_relaxed) - to.size(), std::memory_order_release);
  }
  // The same of the warmest, for a taker that has not decided yet.
  void UnloadTop(uint32_t size, std::span<uint32_t> to) {
    const auto top = handles_.begin() + size;
    std::copy(top - static_cast<std::ptrdiff_t>(to.size()), top, to.begin());
    moved_.store(moved_.load(std::memory_order_relaxed) - to.size(), std::memory_order_release);
  }

  // Outside. What was pushed and popped by the owner so far.
  [[nodiscard]] uint64_t pushed() const { return pushed_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t popped() const { return popped_.load(std::memory_order_relaxed); }
  // Changes with every gain (I3).
  [[nodiscard]] uint64_t gains() const {
    return pushed_.load(std::memory_order_acquire) + loads_.load(std::memory_order_acquire);
  }
  // Whether it looked empty: true of an instant, if gains() did not change around it.
  [[nodiscard]] bool looks_empty() const {
    const uint64_t pushed = pushed_.load(std::memory_order_acquire);
    const uint64_t moved = moved_.load(std::memory_order_acquire);
    return pushed + moved == popped_.load(std::memory_order_acquire);
  }

 private:
  typename Sync::template Atomic<uint64_t> pushed_{0};
  typename Sync::template Atomic<uint64_t> popped_{0};
  typename Sync::template Atomic<uint64_t> moved_{0};  // in less out, modulo 2^64
  typename Sync::template Atomic<uint64_t> loads_{0};
  std::array<typename Sync::template Plain<uint32_t>, kRoom> handles_{};
};

}  // namespace objpool
