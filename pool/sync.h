// Sync: the primitives that the lock-free parts of the pool are written with.
//
// They are a parameter of those parts, so that a model checker can put its own in their place and
// drive the very code that ships. This one is the real one.
//
// Light and heavy fences are one barrier cut in two (P1202 describes the idea for C++): a light
// fence keeps the compiler from reordering and costs nothing; a heavy fence makes the system run a
// full barrier on every CPU that runs a thread of this process. Where one thread has a light fence
// between a store and a load, and another one a heavy fence between its own, at least one of the
// two loads sees the other's store. The language says nothing of this; Linux's membarrier(2) does,
// for threads that run; one that does not run has passed a barrier by being switched out.
#pragma once

#include <atomic>
#include <mutex>

namespace objpool {

struct Sync {
  template <typename T>
  using Atomic = std::atomic<T>;
  // What is only touched under the exclusion of a slot; a checker watches it for races.
  template <typename T>
  using Plain = T;
  using Mutex = std::mutex;

  static void LightFence() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }
  static void HeavyFence() noexcept;
  // Waits a little: some nanoseconds at first, then for the scheduler.
  static void Pause(unsigned tries) noexcept;
};

// Makes heavy fences possible for this process, once and for all. False where the kernel has none,
// or a sandbox forbids them.
[[nodiscard]] bool EnableHeavyFence() noexcept;

// How often this process is the child of a fork since the library was first used: threads, and with
// them the owners of slots, do not come along.
[[nodiscard]] unsigned ForkGeneration() noexcept;

}  // namespace objpool
