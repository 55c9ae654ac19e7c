// Goal: as pool_stress_test, for 10^9 operations.
// Method: the operations are dealt out to variants of tests/support/pool_stress.h, to each as many.
// OBJPOOL_STRESS_OPERATIONS says how many they are in all.
#include <gtest/gtest.h>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include "tests/support/pool_stress.h"

namespace objpool {
namespace {

using testing::StressTally;
using testing::StressVariant;
using testing::Way;

constexpr uint64_t kOperations = 1'000'000'000 / testing::kSlowness;

constexpr StressVariant kVariants[] = {
    {.threads = 2, .held = 64},
    {.threads = 2, .held = 64, .way = Way::kLocal},
    {.threads = 2, .held = 2, .way = Way::kLocal, .scarce = true},
    {.threads = 2, .held = 64, .way = Way::kBatches},
    {.threads = 2, .held = 64, .slot_lock = true},
    {.threads = 3, .held = 2, .scarce = true},
    {.threads = 8, .held = 64, .way = Way::kLocal},
    {.threads = 8, .held = 8, .scarce = true},
    {.threads = 8, .held = 32, .way = Way::kBatches},
    {.threads = 8, .held = 32, .way = Way::kBatches, .slot_lock = true},
    {.threads = 64, .held = 16, .way = Way::kLocal},
    {.threads = 64, .held = 4, .scarce = true},
    {.threads = 64, .held = 16, .way = Way::kBatches},
    {.threads = 64, .held = 16, .slot_lock = true},
};

uint64_t Operations() {
  const char* const text = std::getenv("OBJPOOL_STRESS_OPERATIONS");
  return text == nullptr ? kOperations : std::strtoull(text, nullptr, 10);
}

void Print(const char* name, const StressTally& tally, double seconds) {
  std::printf("%-44s %11" PRIu64 " operations, %" PRIu64 " stolen, %" PRIu64 " doubled, %" PRIu64
              " lost, %" PRIu64 " false empties, %.1f s\n",
              name, tally.operations, tally.stolen, tally.doubled, tally.lost, tally.denied,
              seconds);
  std::fflush(stdout);
}

TEST(PoolStressLong, NeverDoublesLosesOrDenies) {
  using Clock = std::chrono::steady_clock;
  const uint64_t operations = Operations();
  StressTally sum;
  double total_seconds = 0;
  for (StressVariant variant : kVariants) {
    // Rounded up, so that they are not fewer in all.
    const uint64_t runners = std::size(kVariants) * variant.threads;
    variant.operations = (operations + runners - 1) / runners;
    const auto begin = Clock::now();
    const StressTally tally = testing::StressPool(variant);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    std::ostringstream name;
    name << variant;
    Print(name.str().c_str(), tally, seconds);
    sum.Add(tally);
    total_seconds += seconds;
  }
  Print("in all", sum, total_seconds);
  EXPECT_GE(sum.operations, operations);
  EXPECT_EQ(sum.doubled, 0u);
  EXPECT_EQ(sum.lost, 0u);
  EXPECT_EQ(sum.denied, 0u);
}

}  // namespace
}  // namespace objpool
