// Counter: a number that one thread at a time counts up and any thread may read.
//
// There is no read-modify-write: "one thread at a time" is the caller's duty, by owning the counter
// or by holding the lock that guards it. A reader sees some recent value, and values never go back
// (after aeron's single-writer counters).
#pragma once

#include <atomic>
#include <cstdint>

namespace objpool::base {

class Counter {
 public:
  void Add(uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace objpool::base
