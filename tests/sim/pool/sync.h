// Sync with atomics and locks that are steps of the simulation, in the place of the real
// pool/sync.h: before each of them its fiber may be switched out, or the process be killed.
#pragma once

#include <atomic>

#include "tests/sim/step.h"

namespace objpool {

struct Sync {
  template <typename T>
  using Atomic = sim::Atomic<T>;
  template <typename T>
  using Plain = T;
  using Mutex = sim::Mutex;

  static void LightFence() {}
  static void HeavyFence() { sim::Step(); }
  static void Pause(unsigned) { sim::Yield(); }
};

// As the world of this seed has it. tests/sim/fibers.cc.
[[nodiscard]] bool EnableHeavyFence() noexcept;
[[nodiscard]] unsigned ForkGeneration() noexcept;

}  // namespace objpool
