// Goal: no handle is ever in two hands, lost, or missing when a pop says that there is none.
// Method: tests/support/pool_stress.h, by each way into a pool, with few threads and many, biased
// and with a lock in each slot.
#include <gtest/gtest.h>

#include "tests/support/pool_stress.h"

namespace objpool {
namespace {

using testing::StressVariant;
using testing::Way;

class PoolStress : public ::testing::TestWithParam<StressVariant> {};

TEST_P(PoolStress, NeverDoublesLosesOrDenies) { testing::StressPool(GetParam()); }

constexpr uint64_t kOfMany = 20'000 / testing::kSlowness;  // operations of each of many threads

INSTANTIATE_TEST_SUITE_P(
    Variants, PoolStress,
    ::testing::Values(
        StressVariant{.threads = 2, .held = 64},
        StressVariant{.threads = 2, .held = 64, .slot_lock = true},
        StressVariant{.threads = 2, .held = 64, .way = Way::kLocal},
        StressVariant{.threads = 2, .held = 64, .way = Way::kBatches},
        StressVariant{.threads = 3, .held = 2, .scarce = true},
        StressVariant{.threads = 3, .held = 300, .way = Way::kBatches},
        StressVariant{.threads = 8, .held = 8, .scarce = true},
        StressVariant{.threads = 8, .held = 8, .way = Way::kLocal},
        StressVariant{.threads = 8, .held = 8, .way = Way::kBatches},
        StressVariant{.threads = 8, .held = 8, .way = Way::kBatches, .slot_lock = true},
        StressVariant{.threads = 16, .held = 40, .way = Way::kBatches, .operations = kOfMany},
        StressVariant{.threads = 64, .held = 2, .way = Way::kLocal, .operations = kOfMany},
        StressVariant{.threads = 64, .held = 16, .way = Way::kBatches, .operations = kOfMany}));

}  // namespace
}  // namespace objpool
