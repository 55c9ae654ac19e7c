// Goal: the pool keeps its promises wherever in its protocols a thread loses the CPU.
// Method: the pool's own sources, compiled with atomics that by chance hand the CPU over before or
// behind each operation (tests/yield), under the stress of tests/support/pool_stress.h.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>

#include "pool/sync.h"
#include "tests/support/pool_stress.h"
#include "tests/yield/yielding_atomic.h"

namespace objpool {
namespace {

using testing::Way;

static_assert(std::is_same_v<Sync::Atomic<uint32_t>, testing::YieldingAtomic<uint32_t>>,
              "tests/yield comes before the root among the include folders");

constexpr uint64_t kOperations = 200'000 / testing::kSlowness;  // of all threads together

struct Team {
  uint32_t threads;
  uint32_t held;
  bool scarce;
};

class PoolYield : public ::testing::TestWithParam<std::tuple<Team, Way, bool>> {};

TEST_P(PoolYield, NeverDoublesLosesOrDenies) {
  const auto [team, way, slot_lock] = GetParam();
  SCOPED_TRACE("OBJPOOL_YIELD_SEED=" + std::to_string(testing::YieldSeed()));
  testing::StressPool({.threads = team.threads,
                       .held = team.held,
                       .way = way,
                       .slot_lock = slot_lock,
                       .scarce = team.scarce,
                       .operations = kOperations / team.threads});
}

INSTANTIATE_TEST_SUITE_P(
    Teams, PoolYield,
    ::testing::Combine(::testing::Values(Team{2, 2, false}, Team{3, 2, true}, Team{2, 40, true},
                                         Team{8, 4, true}, Team{8, 32, false}, Team{64, 4, true}),
                       ::testing::Values(Way::kSingles, Way::kBatches, Way::kLocal),
                       ::testing::Bool()));

}  // namespace
}  // namespace objpool
