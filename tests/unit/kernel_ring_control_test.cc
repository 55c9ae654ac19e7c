// Goal: the check of the stress tests can fail, and finds what a faithful port would have done.
// Method: the kernel's ring (tests/bench/pool/kernel_ring.h) needs that one thread pushes; in the
// kernel that is a CPU with interrupts off, which a process has not. Here many threads push to one
// ring, under the same stress as the pool, until handles are doubled or lost. Its atomics hand the
// CPU over by chance.
#include <gtest/gtest.h>

#include <atomic>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include "tests/bench/pool/kernel_ring.h"
#include "tests/support/pool_stress.h"
#include "tests/yield/yielding_atomic.h"

namespace objpool {
namespace {

using testing::StressTally;
using testing::StressVariant;

// What ends a pop that would wait for ever: one of two pushers may set `last` back behind `head`,
// and a pop then waits for the next push.
struct NoPush {};
thread_local uint32_t loads_of_this_pop = 0;

template <typename T>
class ImpatientAtomic : public testing::YieldingAtomic<T> {
 public:
  using testing::YieldingAtomic<T>::YieldingAtomic;
  [[nodiscard]] T load(std::memory_order order) const {
    constexpr uint32_t kLimit = 1000;
    if (++loads_of_this_pop > kLimit) throw NoPush();
    return testing::YieldingAtomic<T>::load(order);
  }
};

constexpr uint64_t kOperations = 20'000;  // of each thread, in a round

using Ring = bench::KernelRing<false, ImpatientAtomic>;

Handle PopOne(Ring& ring) {
  loads_of_this_pop = 0;
  try {
    return ring.Pop();
  } catch (const NoPush&) {
    return kNoHandle;
  }
}

// A thread's way into the ring.
struct ThroughRing {
  Ring& ring;
  uint32_t Pop(std::span<Handle> out, uint32_t) {
    out[0] = PopOne(ring);
    return out[0] == kNoHandle ? 0 : 1;
  }
  void Push(std::span<const Handle> handles) {
    loads_of_this_pop = 0;
    ring.Push(handles[0]);
  }
};

StressTally StressRing(const StressVariant& v) {
  Ring ring(v.capacity());
  const ThroughRing way{ring};
  for (Handle handle = 0; handle < v.capacity(); ++handle) ring.Push(handle);
  return testing::Stress(v, [&](uint32_t) { return way; });
}

class KernelRingControl : public ::testing::TestWithParam<StressVariant> {};

TEST_P(KernelRingControl, OneRingForManyThreadsDoublesOrLosesHandles) {
  constexpr int kMostRounds = 1000;
  SCOPED_TRACE("OBJPOOL_YIELD_SEED=" + std::to_string(testing::YieldSeed()));
  StressTally sum;
  int round = 0;
  while (round < kMostRounds && sum.doubled + sum.lost == 0) {
    sum.Add(StressRing(GetParam()));
    ++round;
  }
  std::printf("round %d: %" PRIu64 " operations, %" PRIu64 " doubled, %" PRIu64 " lost\n", round,
              sum.operations, sum.doubled, sum.lost);
  EXPECT_GT(sum.doubled + sum.lost, 0u) << "the check is blind";
}

// The same with one thread is right: it is the second that breaks it.
TEST(KernelRingControl, OneRingForOneThreadIsSound) {
  const StressTally sum = StressRing({.threads = 1, .held = 64, .operations = kOperations});
  EXPECT_EQ(sum.doubled, 0u);
  EXPECT_EQ(sum.lost, 0u);
  EXPECT_EQ(sum.denied, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Threads, KernelRingControl,
    ::testing::Values(StressVariant{.threads = 2, .held = 64, .operations = kOperations},
                      StressVariant{.threads = 8, .held = 8, .operations = kOperations}));

}  // namespace
}  // namespace objpool
