#include "pool/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <span>
#include <thread>
#include <vector>

#include "pool/base/check.h"
#include "tests/support/fake_topology.h"

namespace objpool {
namespace {

using testing::FakeMachine;
using testing::FlatSlots;

std::unique_ptr<Pool> MakePool(uint32_t capacity, std::shared_ptr<const SlotMap> slots,
                               bool return_home = false) {
  std::string why;
  auto pool = Pool::Create(
      {.capacity = capacity, .slots = std::move(slots), .return_home = return_home}, why);
  EXPECT_NE(pool, nullptr) << why;
  pool->AttachAll();
  return pool;
}

uint64_t Sum(const SlotStats::ByDistance& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

// The identity that SlotStats promises.
void ExpectBalanced(const Pool& pool) {
  for (SlotId s = 0; s < pool.slots().slots(); ++s) {
    const SlotStats stats = pool.Stats(s);
    const auto [first, last] = ShareOf(pool.capacity(), pool.slots().slots(), s);
    EXPECT_EQ(stats.occupancy, (last - first) + stats.pushes + Sum(stats.stolen_by) -
                                   Sum(stats.acquired_by_steal) - stats.local_hits -
                                   stats.depot_hits - Sum(stats.stolen_from))
        << "slot " << s;
  }
}

TEST(Pool, RefusesACapacityOutOfRangeNamingIt) {
  std::string why;
  EXPECT_EQ(Pool::Create({.capacity = 0, .slots = FlatSlots(1)}, why), nullptr);
  EXPECT_EQ(why, "capacity must be 1 .. 16777216, got 0");
  EXPECT_EQ(Pool::Create({.capacity = kMaxCapacity + 1, .slots = FlatSlots(1)}, why), nullptr);
  EXPECT_EQ(why, "capacity must be 1 .. 16777216, got 16777217");
  EXPECT_EQ(Pool::Create({.capacity = 1, .slots = nullptr}, why), nullptr);
}

// Single handles under full blocks, and more full blocks over them than one looks through at first.
TEST(Pool, TakesEveryHandleBackHoweverTheBlocksWereFilled) {
  constexpr uint32_t kBatch = 61;
  constexpr uint32_t kCapacity = kBatch * 90;
  const auto pool = MakePool(kCapacity, FlatSlots(1));
  std::vector<Handle> held(kCapacity);
  ASSERT_EQ(pool->PopBatch(0, held, kCapacity), kCapacity);
  const auto push = [&](uint32_t count) {
    for (; count != 0; --count) {
      pool->Push(0, held.back());
      held.pop_back();
    }
  };
  push(2 * kBatch);  // the magazine is full
  for (int pair = 0; pair < 16; ++pair) {
    pool->PushBatch(0, std::span(held).last(1));  // a block of its own
    held.pop_back();
    push(kBatch);  // a full block over it
  }
  push(static_cast<uint32_t>(held.size()));
  EXPECT_EQ(pool->free(), kCapacity);
  EXPECT_EQ(pool->Drain(), kCapacity);
}

TEST(Pool, GivesEveryHandleOnceThenNone) {
  const auto pool = MakePool(100, FlatSlots(3));
  std::set<Handle> seen;
  for (int i = 0; i < 100; ++i) {
    const Handle handle = pool->Pop(1);
    ASSERT_LT(handle, 100u);
    ASSERT_TRUE(seen.insert(handle).second);
  }
  EXPECT_EQ(pool->Pop(1), kNoHandle);
  EXPECT_EQ(pool->Pop(0), kNoHandle);
  EXPECT_EQ(pool->Stats(1).misses, 1u);
  EXPECT_EQ(pool->Stats(0).misses, 1u);
  ExpectBalanced(*pool);
}

TEST(Pool, LoneWorkerStaysLocal) {
  const auto pool = MakePool(64, FlatSlots(4));
  for (int i = 0; i < 1000; ++i) pool->Push(2, pool->Pop(2));
  const SlotStats stats = pool->Stats(2);
  EXPECT_EQ(stats.local_hits, 1000u);
  EXPECT_EQ(stats.pushes, 1000u);
  EXPECT_EQ(Sum(stats.stolen_by), 0u);
}

TEST(Pool, LocalIsTheSameSlotInFewerSteps) {
  const auto pool = MakePool(300, FlatSlots(2));
  const Pool::Local local = pool->At(1);
  std::vector<Handle> all;
  for (Handle handle = local.Pop(); handle != kNoHandle; handle = local.Pop()) {
    all.push_back(handle);
  }
  EXPECT_EQ(std::set<Handle>(all.begin(), all.end()).size(), 300u);
  EXPECT_EQ(pool->Pop(0), kNoHandle);
  for (const Handle handle : all) local.Push(handle);
  EXPECT_EQ(pool->Stats(1).occupancy, 300u);
  EXPECT_EQ(pool->Pop(1), all.back());
  ExpectBalanced(*pool);
}

TEST(Pool, ABatchThatDoesNotFitMakesRoomForItself) {
  const auto pool = MakePool(1000, FlatSlots(1));
  std::vector<Handle> all(1000);
  ASSERT_EQ(pool->PopBatch(0, all, 1000), 1000u);
  for (std::size_t i = 0; i < all.size(); i += 20) {
    pool->PushBatch(0, std::span<const Handle>(all).subspan(i, 20));
    EXPECT_EQ(pool->Pop(0), all[i + 19]) << "the warmest one is on top";
    pool->Push(0, all[i + 19]);
  }
  EXPECT_EQ(pool->Stats(0).occupancy, 1000u);
  EXPECT_EQ(pool->PopBatch(0, all, 1000), 1000u);
  ExpectBalanced(*pool);
}

TEST(Pool, ReusesTheWarmestHandleFirst) {
  const auto pool = MakePool(8, FlatSlots(1));
  const Handle a = pool->Pop(0);
  const Handle b = pool->Pop(0);
  pool->Push(0, a);
  pool->Push(0, b);
  EXPECT_EQ(pool->Pop(0), b);
  EXPECT_EQ(pool->Pop(0), a);
}

TEST(Pool, StealsFromTheNearestDepotAndCountsBothSides) {
  const Topology machine = FakeMachine(2, 1, 2, 1);  // slots 0, 1 on node 0; 2, 3 on node 1
  // Each slot begins with 8 handles in its magazine and 8 and 4 in blocks.
  const auto pool = MakePool(80, SlotMap::ForAllCpus(machine));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(HomeOf(80, 4, pool->Pop(0)), 0u);
  EXPECT_EQ(pool->Stats(0).occupancy, 0u);
  EXPECT_EQ(pool->Stats(0).depot_hits, 2u);
  EXPECT_EQ(HomeOf(80, 4, pool->Pop(0)), 1u);
  const auto same_cache = static_cast<std::size_t>(StealDistance::kSameCache);
  const uint64_t stolen = pool->Stats(0).stolen_by[same_cache];
  EXPECT_GT(stolen, 0u);
  EXPECT_LE(stolen, 8u) << "half of the chain: one block of two";
  EXPECT_EQ(pool->Stats(0).acquired_by_steal[same_cache], 1u);
  EXPECT_EQ(pool->Stats(0).occupancy, stolen - 1);
  EXPECT_EQ(pool->Stats(1).stolen_from[same_cache], stolen);
  EXPECT_EQ(pool->Stats(1).occupancy, 20 - stolen);
  ExpectBalanced(*pool);
}

TEST(Pool, TakesDepotsNearThenFarThenMagazinesNearThenFar) {
  const Topology machine = FakeMachine(2, 1, 2, 1);
  const auto pool = MakePool(80, SlotMap::ForAllCpus(machine));
  std::vector<SlotId> homes;
  for (int i = 0; i < 80; ++i) homes.push_back(HomeOf(80, 4, pool->Pop(0)));
  EXPECT_EQ(pool->Pop(0), kNoHandle);
  // 20 of its own, 12 out of its neighbour's depot, 24 out of node 1's depots; then 8 of the
  // neighbour's magazine before the 16 of node 1's.
  const auto count = [&](int from, int to, auto is) {
    return std::count_if(homes.begin() + from, homes.begin() + to, is);
  };
  EXPECT_EQ(count(0, 20, [](SlotId home) { return home == 0; }), 20);
  EXPECT_EQ(count(20, 32, [](SlotId home) { return home == 1; }), 12);
  EXPECT_EQ(count(32, 56, [](SlotId home) { return home >= 2; }), 24);
  EXPECT_EQ(count(56, 64, [](SlotId home) { return home == 1; }), 8);
  EXPECT_EQ(count(64, 80, [](SlotId home) { return home >= 2; }), 16);
  ExpectBalanced(*pool);
}

TEST(Pool, AMagazineThatOverflowsSpillsItsColdHalf) {
  const auto pool = MakePool(1000, FlatSlots(2));
  std::vector<Handle> all(1000);
  ASSERT_EQ(pool->PopBatch(0, all, 1000), 1000u);
  for (const Handle handle : all) pool->Push(0, handle);
  EXPECT_EQ(pool->Stats(0).occupancy, 1000u);
  EXPECT_EQ(pool->Pop(0), all.back()) << "the warmest one is on top";
  std::set<Handle> back = {all.back()};
  for (int i = 1; i < 1000; ++i) back.insert(pool->Pop(1));
  EXPECT_EQ(back.size(), 1000u);
  EXPECT_EQ(pool->Pop(1), kNoHandle);
  ExpectBalanced(*pool);
}

TEST(Pool, TheSlotLockDoesTheSame) {
  std::string why;
  const auto pool = Pool::Create({.capacity = 100, .slots = FlatSlots(3), .slot_lock = true}, why);
  ASSERT_NE(pool, nullptr) << why;
  EXPECT_STREQ(pool->engine(), "slot_lock");
  pool->AttachAll();
  std::set<Handle> seen;
  for (int i = 0; i < 100; ++i) seen.insert(pool->Pop(1));
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(pool->Pop(1), kNoHandle);
  for (const Handle handle : seen) pool->Push(2, handle);
  EXPECT_EQ(pool->Stats(2).occupancy, 100u);
  ExpectBalanced(*pool);
}

TEST(Pool, KeepsToItsMemory) {
  for (const auto& [capacity, slots] : {std::pair{kMaxCapacity, 2u},
                                        {65536u, 2u},
                                        {1024u, 96u},
                                        {65536u, 96u},
                                        {3000u, 96u},
                                        {1u, 1u}}) {
    std::string why;
    const auto pool = Pool::Create({.capacity = capacity, .slots = FlatSlots(slots)}, why);
    ASSERT_NE(pool, nullptr) << why;
    // Besides, each of the two mappings ends in a page.
    EXPECT_LE(pool->memory_bytes(), (capacity * 4.5) + (slots * 2048) + (2 * 4096))
        << capacity << " handles in " << slots << " slots";
  }
}

TEST(Pool, BatchTakesAllOrAtLeastTheMinimumOrNothing) {
  const auto pool = MakePool(10, FlatSlots(2));
  std::vector<Handle> out(8);
  EXPECT_EQ(pool->PopBatch(0, out, 8), 8u);
  EXPECT_EQ(std::set<Handle>(out.begin(), out.end()).size(), 8u);
  std::vector<Handle> more(8);
  EXPECT_EQ(pool->PopBatch(0, more, 3), 0u) << "two are free, three were the least";
  EXPECT_EQ(pool->free(), 2u) << "a refused batch keeps nothing";
  EXPECT_EQ(pool->PopBatch(0, more, 2), 2u);
  pool->PushBatch(0, out);
  EXPECT_EQ(pool->Stats(0).occupancy, 8u);
  EXPECT_EQ(pool->PopBatch(0, out, 8), 8u);
  // The refused batch had moved the last two over here.
  EXPECT_EQ(pool->Stats(0).local_hits + pool->Stats(0).depot_hits, 5u + 2u + 8u);
  ExpectBalanced(*pool);
}

TEST(Pool, HandleGoesHomeToItsNodeOnlyWhenAskedTo) {
  const Topology machine = FakeMachine(2, 1, 2, 1);
  const auto slots = SlotMap::ForAllCpus(machine);
  const auto stays = MakePool(40, slots, false);
  stays->Push(3, stays->Pop(0));
  EXPECT_EQ(stays->Stats(3).occupancy, 11u);
  const auto homing = MakePool(40, slots, true);
  const Handle handle = homing->Pop(0);
  homing->Push(3, handle);
  EXPECT_EQ(homing->Stats(3).occupancy, 10u);
  EXPECT_EQ(homing->Stats(0).occupancy, 10u);
  const std::vector<Handle> one = {homing->Pop(1)};
  homing->PushBatch(0, one);  // the same node: stays with the pusher
  EXPECT_EQ(homing->Stats(0).occupancy, 11u);
}

TEST(Pool, IsEmptyUntilItsSlotsAreAttached) {
  std::string why;
  const auto pool = Pool::Create({.capacity = 4, .slots = FlatSlots(2)}, why);
  ASSERT_NE(pool, nullptr) << why;
  pool->Attach(1);
  EXPECT_EQ(pool->free(), 2u);
  EXPECT_NE(pool->Pop(1), kNoHandle);
  EXPECT_NE(pool->Pop(1), kNoHandle);
  EXPECT_EQ(pool->Pop(1), kNoHandle);
  pool->Attach(0);
  EXPECT_NE(pool->Pop(1), kNoHandle);
}

TEST(Pool, BeginsWithoutTheHandlesThatAreOutAlready) {
  std::string why;
  const auto pool = Pool::Create({.capacity = 1000, .slots = FlatSlots(3)}, why);
  ASSERT_NE(pool, nullptr) << why;
  for (SlotId slot = 0; slot < 3; ++slot) {
    pool->Attach(slot, [](Handle handle) { return handle % 4 != 0 && handle > 100; });
  }
  EXPECT_EQ(pool->free(), 675u);
  std::set<Handle> seen;
  for (Handle handle = pool->Pop(2); handle != kNoHandle; handle = pool->Pop(2)) {
    EXPECT_TRUE(handle % 4 != 0 && handle > 100);
    seen.insert(handle);
  }
  EXPECT_EQ(seen.size(), 675u);
  for (Handle handle = 0; handle < 1000; ++handle) pool->Push(1, handle);
  EXPECT_EQ(pool->free(), 1000u);
  EXPECT_EQ(pool->Stats(1).occupancy, 1000u);
}

TEST(Pool, MoreSlotsThanHandlesStillGivesThemAll) {
  const auto pool = MakePool(3, FlatSlots(8));
  std::set<Handle> seen;
  for (int i = 0; i < 3; ++i) seen.insert(pool->Pop(5));
  EXPECT_EQ(seen, (std::set<Handle>{0, 1, 2}));
  EXPECT_EQ(pool->Pop(5), kNoHandle);
}

TEST(Pool, DrainTakesEveryFreeHandle) {
  const auto pool = MakePool(50, FlatSlots(4));
  (void)pool->Pop(0);
  EXPECT_EQ(pool->Drain(), 49u);
  EXPECT_EQ(pool->Pop(2), kNoHandle);
}

TEST(Pool, TakesTheKernelsLargestCapacity) {
  const auto pool = MakePool(kMaxCapacity, FlatSlots(2));
  EXPECT_EQ(pool->free(), uint64_t{kMaxCapacity});
  EXPECT_EQ(pool->Drain(), kMaxCapacity);
}

TEST(PoolDeathTest, PushOutOfRangeEndsTheProcess) {
  const auto pool = MakePool(4, FlatSlots(1));
  EXPECT_DEATH(pool->Push(0, 4), "a handle is below the capacity");
}

TEST(PoolDeathTest, DoublePushIsCaughtInTheCheckedBuild) {
  if (!kObjpoolChecked) return;
  const auto pool = MakePool(4, FlatSlots(1));
  EXPECT_DEATH(pool->Push(0, 2), "a handle that is free is not pushed");
}

TEST(PoolDeathTest, AnotherThreadThanTheOwnerIsCaughtInTheCheckedBuild) {
  if (!kObjpoolChecked) return;
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto pool = MakePool(4, FlatSlots(2));
  pool->Push(0, pool->Pop(0));
  const auto use = [&pool] { std::thread([&pool] { pool->Push(0, pool->Pop(0)); }).join(); };
  EXPECT_DEATH(use(), "a slot is used by its owner only");
  std::thread([&pool] {
    pool->Adopt(0);
    pool->Push(0, pool->Pop(0));
  }).join();
}

TEST(PoolDeathTest, AChildOfForkIsRefused) {
  const auto pool = MakePool(4, FlatSlots(1));
  for (int i = 0; i < 4; ++i) (void)pool->Pop(0);
  // A death test of this style is a child of fork.
  EXPECT_DEATH((void)pool->Pop(0), "not used in a child");
}

TEST(Pool, HasItsMembersOnly) {
  std::string why;
  Pool::Options options{.capacity = 1000, .slots = testing::FlatSlots(3)};
  options.members = {{10, 300}, {333, 334}, {500, 900}};
  const auto pool = Pool::Create(options, why);
  ASSERT_NE(pool, nullptr) << why;
  for (SlotId s = 0; s < 3; ++s) pool->Attach(s, [](Handle handle) { return handle != 20; });
  EXPECT_EQ(pool->free(), 690u);
  EXPECT_EQ(pool->Pop(0), 10u) << "the lowest first";
  std::set<Handle> all;
  for (Handle handle = pool->Pop(0); handle != kNoHandle; handle = pool->Pop(0)) {
    all.insert(handle);
  }
  EXPECT_EQ(all.size(), 689u);
  for (const Handle handle : all) {
    EXPECT_TRUE((handle > 10 && handle < 300 && handle != 20) || handle == 333 ||
                (handle >= 500 && handle < 900))
        << handle;
  }
  for (const std::vector<Share>& wrong :
       {std::vector<Share>{{5, 5}}, {{5, 6}, {4, 5}}, {{0, 10}, {9, 11}}, {{999, 1001}}}) {
    options.members = wrong;
    EXPECT_EQ(Pool::Create(options, why), nullptr);
    EXPECT_NE(why.find("ranges of 0 .. 999"), std::string::npos) << why;
  }
}

}  // namespace
}  // namespace objpool
