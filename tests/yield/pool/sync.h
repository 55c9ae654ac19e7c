// Sync with atomics that yield, in the place of the real pool/sync.h. All else is the real one's:
// pool/sync.cc is compiled with this header.
#pragma once

#include <atomic>
#include <mutex>

#include "tests/yield/yielding_atomic.h"

namespace objpool {

struct Sync {
  template <typename T>
  using Atomic = testing::YieldingAtomic<T>;
  template <typename T>
  using Plain = T;
  using Mutex = std::mutex;

  static void LightFence() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }
  static void HeavyFence() noexcept;
  static void Pause(unsigned tries) noexcept;
};

[[nodiscard]] bool EnableHeavyFence() noexcept;
[[nodiscard]] unsigned ForkGeneration() noexcept;

}  // namespace objpool
