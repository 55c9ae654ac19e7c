// Goal: "none" is true of all classes together, wherever a thread loses the CPU: those who take one
// handle each never go without, also while somebody who wants many takes some and gives them back.
// Method: FreeHandles and the pool, compiled with atomics that by chance hand the CPU over
// (tests/yield), with just as many handles as the singles need at most.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "server/lease/free_handles.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"
#include "tests/yield/yielding_atomic.h"

namespace objpool::lease {
namespace {

constexpr uint32_t kSingles = 3;
constexpr uint32_t kCapacity = kSingles + 1;  // one is held all the while

struct Team {
  uint32_t classes;
  bool batch;  // one more thread wants all, and never gets them
};

class FreeHandlesYield : public ::testing::TestWithParam<Team> {};

TEST_P(FreeHandlesYield, NobodyIsDeniedWhatIsThere) {
  const auto [classes, batch] = GetParam();
  SCOPED_TRACE("OBJPOOL_YIELD_SEED=" + std::to_string(testing::YieldSeed()));
  const uint32_t rounds = batch ? 4'000 : 30'000;
  const uint32_t threads = kSingles + (batch ? 1 : 0);
  std::vector<LabelledRange> ranges;
  for (Handle h = 0; h < kCapacity; ++h) {
    ranges.push_back({h, h, {{"class", std::to_string(h % classes)}}});
  }
  std::string why;
  const auto made = HandleClasses::Make(kCapacity, ranges, why);
  ASSERT_TRUE(made) << why;
  const Pool::Options options = {.capacity = kCapacity, .slots = testing::FlatSlots(threads)};
  const auto handles = FreeHandles::Create(options, *made, why);
  ASSERT_NE(handles, nullptr) << why;
  for (SlotId s = 0; s < threads; ++s) handles->Attach(s, [](Handle) { return true; });
  std::array<Handle, 1> held;
  ASSERT_EQ(handles->PopBatch(0, held, 1), 1u);
  std::array<std::atomic<int>, kCapacity> owners{};
  std::atomic<int> denied{0};
  std::atomic<int> twice{0};
  std::atomic<uint32_t> singles{kSingles};
  testing::RunTeam(threads, [&](uint32_t self) {
    handles->Adopt(self);
    std::array<Handle, kCapacity> all;
    if (self == kSingles) {
      while (singles.load() != 0) twice.fetch_add(handles->PopBatch(self, all, kCapacity) != 0);
      return;
    }
    for (uint32_t round = 0; round < rounds; ++round) {
      const auto out = std::span(all).first(1);
      // Some want one class only, of which there may be none.
      const bool any = self == 0 || round % 4 == 0;
      const ClassMask wanted = any ? kAllClasses : ClassMask{1} << (round / 4 % classes);
      if (handles->PopBatch(self, out, 1, wanted) == 0) {
        if (any) denied.fetch_add(1);
        continue;
      }
      if (owners[out[0]].fetch_add(1) != 0) twice.fetch_add(1);
      if (round % 2 == 0) std::this_thread::yield();  // while others look for it
      owners[out[0]].fetch_sub(1);
      handles->Push(self, out[0]);
    }
    singles.fetch_sub(1);
  });
  EXPECT_EQ(twice.load(), 0);
  EXPECT_EQ(denied.load(), 0);
  handles->Adopt(0);
  handles->PushBatch(0, held);
  EXPECT_EQ(handles->free(), uint64_t{kCapacity});
}

INSTANTIATE_TEST_SUITE_P(Teams, FreeHandlesYield,
                         ::testing::Values(Team{2, false}, Team{4, false}, Team{2, true},
                                           Team{4, true}));

}  // namespace
}  // namespace objpool::lease
