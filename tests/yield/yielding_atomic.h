// YieldingAtomic: std::atomic that by chance hands the CPU over before or behind an operation.
//
// So each step of a protocol is a place where its thread may stop for a while. README.md says what
// it is for.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace objpool::testing {

// What all random numbers here begin with. Tests print it.
inline uint64_t YieldSeed() {
  static const uint64_t kSeed = [] {
    const char* const text = std::getenv("OBJPOOL_YIELD_SEED");
    return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
  }();
  return kSeed;
}

// The first number of a thread's own row, never 0.
[[gnu::noinline]] inline uint64_t FirstOfThread() {
  static std::atomic<uint64_t> threads{0};
  const uint64_t thread = threads.fetch_add(1, std::memory_order_relaxed);
  return ((YieldSeed() << 32) + thread) * 0x9E3779B97F4A7C15u | 1;
}

[[gnu::noinline]] inline void HandOver(uint64_t random) {
  // One time in 32 it is for longer.
  const uint64_t turns = random % 32 == 0 ? 1 + (random / 32 % 64) : 1;
  for (uint64_t turn = 0; turn < turns; ++turn) sched_yield();
}

// Hands over one time in 128.
inline void MayHandOver() {
  static thread_local uint64_t state = 0;
  uint64_t next = state;
  if (next == 0) next = FirstOfThread();
  next ^= next << 13;  // Marsaglia's xorshift
  next ^= next >> 7;
  next ^= next << 17;
  state = next;
  if ((next >> 32) % 128 == 0) HandOver(next >> 39);
}

// Around one operation.
class HandOverAround {
 public:
  HandOverAround() { MayHandOver(); }
  ~HandOverAround() { MayHandOver(); }
  HandOverAround(const HandOverAround&) = delete;
  HandOverAround& operator=(const HandOverAround&) = delete;
};

template <typename T>
class YieldingAtomic {
 public:
  YieldingAtomic() = default;
  explicit constexpr YieldingAtomic(T value) : value_(value) {}
  YieldingAtomic(const YieldingAtomic&) = delete;
  YieldingAtomic& operator=(const YieldingAtomic&) = delete;

  [[nodiscard]] T load(std::memory_order order) const {
    const HandOverAround around;
    return value_.load(order);
  }
  void store(T value, std::memory_order order) {
    const HandOverAround around;
    value_.store(value, order);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) {
    const HandOverAround around;
    return value_.compare_exchange_weak(expected, desired, success, failure);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order failure) {
    const HandOverAround around;
    return value_.compare_exchange_strong(expected, desired, success, failure);
  }
  T fetch_add(T value, std::memory_order order) {
    const HandOverAround around;
    return value_.fetch_add(value, order);
  }
  T fetch_sub(T value, std::memory_order order) {
    const HandOverAround around;
    return value_.fetch_sub(value, order);
  }

 private:
  std::atomic<T> value_{};
};

}  // namespace objpool::testing
