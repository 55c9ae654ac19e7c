// Goal: a handle that is neither free nor leased is exactly where it was put, and comes back only
// by the way that is meant for it. Method: step by step, by one thread, and after each step the
// counted census is the recounted one; then by many threads that lease, return in every state,
// quarantine and reinstate, with one ownership cell for each handle.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "server/lease/lease_pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"

namespace objpool::lease {
namespace {

constexpr BootMs kNow = 1000;
constexpr uint64_t kTtlMs = 10'000;

struct World {
  std::unique_ptr<LeasePool> pool;
  std::vector<Waiter*> served;

  explicit World(LeasePool::Options options = {}, uint32_t capacity = 4) {
    options.pool = {.capacity = capacity, .slots = testing::FlatSlots(2)};
    options.on_served = [this](Waiter& waiter) { served.push_back(&waiter); };
    std::string why;
    pool = LeasePool::Create(options, why);
    EXPECT_NE(pool, nullptr) << why;
    for (SlotId worker = 0; worker < 2; ++worker) EXPECT_TRUE(pool->Attach(worker));
  }
  std::vector<GrantRef> Lease(uint32_t count, bool dirty = false, BootMs now = kNow) {
    std::vector<GrantRef> refs(count);
    refs.resize(pool->Lease(0, {.min_count = count, .ttl_ms = kTtlMs, .holder = {}, .dirty = dirty},
                            now, refs));
    return refs;
  }
  Verdict Return(const GrantRef& ref, Disposition as, BootMs now = kNow) {
    Verdict verdict;
    pool->Return(1, {&ref, 1}, now, {&verdict, 1}, {&as, 1});
    return verdict;
  }
  void Sweep(BootMs now) {
    for (SlotId worker = 0; worker < 2; ++worker) {
      while (!pool->Sweep(worker, now)) {
      }
    }
  }
  // What is counted is what is there, and nothing is lost.
  LeasePool::Census Census() {
    const LeasePool::Census census = pool->Recount();
    EXPECT_EQ(census.sum(), pool->pool().capacity());
    const LeasePool::Census counted = pool->Counted();
    EXPECT_EQ(counted.free, census.free);
    EXPECT_EQ(counted.leased, census.leased);
    EXPECT_EQ(counted.dirty, census.dirty);
    EXPECT_EQ(counted.resting, census.resting);
    EXPECT_EQ(counted.quarantined, census.quarantined);
    return census;
  }
};

TEST(LeasePlaces, DirtyHandleIsLeasedByCleanersOnly) {
  World world;
  const auto all = world.Lease(4);
  EXPECT_EQ(world.Return(all[2], Disposition::kDirty).outcome, Outcome::kOk);
  EXPECT_EQ(world.Return(all[2], Disposition::kDirty).outcome, Outcome::kAlreadyReturned);
  EXPECT_EQ(world.Census().dirty, 1u);
  EXPECT_TRUE(world.Lease(1).empty());
  const auto cleaned = world.Lease(1, true);
  ASSERT_EQ(cleaned.size(), 1u);
  EXPECT_EQ(cleaned[0].handle, all[2].handle);
  EXPECT_GT(cleaned[0].fence, all[2].fence);
  EXPECT_TRUE(world.Lease(1, true).empty()) << "one dirty handle, one cleaner";
  EXPECT_EQ(world.Return(cleaned[0], Disposition::kClean).outcome, Outcome::kOk);
  EXPECT_EQ(world.Census().free, 1u);
  EXPECT_EQ(world.Lease(1).size(), 1u);
}

TEST(LeasePlaces, CleanerWhoIsLateLeavesItDirty) {
  World world;
  const auto all = world.Lease(4);
  (void)world.Return(all[0], Disposition::kDirty);
  const auto cleaned = world.Lease(1, true);
  world.Sweep(kNow + kTtlMs + 1);
  EXPECT_EQ(world.Return(cleaned[0], Disposition::kClean, kNow + kTtlMs + 2).outcome,
            Outcome::kExpired);
  EXPECT_EQ(world.Census().dirty, 1u);
  EXPECT_EQ(world.Census().free, 3u) << "the others only ran out";
  const auto again = world.Lease(1, true, kNow + kTtlMs + 2);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(world.pool->Revoke(0, again[0].handle, again[0].fence, kNow + kTtlMs + 2).outcome,
            Outcome::kOk);
  EXPECT_EQ(world.Census().dirty, 1u);
}

TEST(LeasePlaces, DirtyUnlessReturned) {
  LeasePool::Options options;
  options.dirty_unless_returned = true;
  World world(options);
  const auto all = world.Lease(2);
  (void)world.Return(all[0], Disposition::kClean);
  world.Sweep(kNow + kTtlMs + 1);
  EXPECT_EQ(world.Census().dirty, 1u);
  EXPECT_EQ(world.Census().free, 3u);
}

TEST(LeasePlaces, BrokenHandleIsQuarantinedUntilReinstated) {
  World world;
  const auto all = world.Lease(4);
  (void)world.Return(all[1], Disposition::kBroken);
  EXPECT_EQ(world.Census().quarantined, 1u);
  EXPECT_TRUE(world.Lease(1).empty());
  EXPECT_TRUE(world.Lease(1, true).empty());
  const auto handle = static_cast<Handle>(all[1].handle);
  EXPECT_TRUE(world.pool->Reinstate(0, handle, kNow));
  EXPECT_FALSE(world.pool->Reinstate(0, handle, kNow)) << "it is free";
  EXPECT_EQ(world.Census().free, 1u);
  EXPECT_EQ(world.Lease(1).size(), 1u);
}

TEST(LeasePlaces, RestsForItsTimeAndNoLess) {
  LeasePool::Options options;
  options.rest_ms = 500;
  World world(options);
  const auto all = world.Lease(4);
  (void)world.Return(all[3], Disposition::kClean, kNow + 7);
  world.Sweep(kNow + 506);
  EXPECT_EQ(world.Census().resting, 1u);
  EXPECT_TRUE(world.Lease(1, false, kNow + 506).empty());
  world.Sweep(kNow + 507);
  EXPECT_EQ(world.Census().resting, 0u);
  EXPECT_EQ(world.Lease(1, false, kNow + 507).size(), 1u);
  world.Sweep(kNow + kTtlMs + 1);  // three expire, and rest
  EXPECT_EQ(world.Census().resting, 3u);
  world.Sweep(kNow + kTtlMs + 501);
  EXPECT_EQ(world.Census().free, 3u);
}

TEST(LeasePlaces, RestsUntilReady) {
  bool ready = false;
  LeasePool::Options options;
  options.is_ready = [&](SlotId, Handle) { return ready; };
  World world(options);
  const auto all = world.Lease(1);
  (void)world.Return(all[0], Disposition::kClean);
  world.Sweep(kNow + 5000);
  EXPECT_EQ(world.Census().resting, 1u);
  ready = true;
  world.Sweep(kNow + 5001);
  EXPECT_EQ(world.Census().free, 4u);
}

TEST(LeasePlaces, RestThatEndsServesWhoWaits) {
  LeasePool::Options options;
  options.rest_ms = 500;
  World world(options);
  const auto all = world.Lease(4);
  Waiter waiter;
  waiter.ttl_ms = kTtlMs;
  EXPECT_TRUE(world.pool->Wait(0, waiter, kNow));
  (void)world.Return(all[0], Disposition::kClean);
  EXPECT_TRUE(world.served.empty());
  world.Sweep(kNow + 500);
  EXPECT_EQ(world.served.size(), 1u);
}

TEST(LeasePlaces, DirtyReturnServesTheCleanerWhoWaits) {
  World world;
  const auto all = world.Lease(4);
  Waiter cleaner;
  cleaner.ttl_ms = kTtlMs;
  cleaner.dirty = true;
  EXPECT_TRUE(world.pool->Wait(0, cleaner, kNow));
  Waiter user;
  user.ttl_ms = kTtlMs;
  EXPECT_TRUE(world.pool->Wait(0, user, kNow));
  (void)world.Return(all[0], Disposition::kDirty);
  ASSERT_EQ(world.served.size(), 1u);
  EXPECT_EQ(world.served[0], &cleaner);
  EXPECT_EQ(cleaner.grants.at(0).handle, all[0].handle);
  EXPECT_TRUE(world.pool->StopWaiting(0, user, kNow));
}

TEST(LeasePlaces, QuarantineOfAFreeHandleKeepsItFromBeingLeased) {
  World world;
  EXPECT_EQ(world.pool->Quarantine(0, 2), LeasePool::Quarantined::kNow);
  EXPECT_EQ(world.Census().quarantined, 1u);
  EXPECT_EQ(world.Census().free, 3u);
  EXPECT_TRUE(world.Lease(4).empty()) << "there are three";
  const auto three = world.Lease(3);
  ASSERT_EQ(three.size(), 3u);
  for (const GrantRef& ref : three) EXPECT_NE(ref.handle, 2u);
  EXPECT_EQ(world.Census().quarantined, 1u);
  EXPECT_TRUE(world.pool->Reinstate(1, 2, kNow));
  EXPECT_EQ(world.Census().free, 1u);
  EXPECT_EQ(world.Lease(1).at(0).handle, 2u);
}

TEST(LeasePlaces, ReinstatedBeforeAnybodyMetIt) {
  World world;
  EXPECT_EQ(world.pool->Quarantine(0, 2), LeasePool::Quarantined::kNow);
  EXPECT_TRUE(world.pool->Reinstate(0, 2, kNow));
  EXPECT_EQ(world.Census().free, 4u);
  EXPECT_EQ(world.Lease(4).size(), 4u) << "it is there once";
}

TEST(LeasePlaces, QuarantineOfALeasedHandleWaitsForItsEnd) {
  World world;
  const auto all = world.Lease(4);
  const auto handle = static_cast<Handle>(all[0].handle);
  EXPECT_EQ(world.pool->Quarantine(0, handle), LeasePool::Quarantined::kCondemned);
  EXPECT_TRUE(world.pool->IsCondemned(handle));
  EXPECT_EQ(world.Census().leased, 4u);
  (void)world.Return(all[0], Disposition::kClean);
  EXPECT_FALSE(world.pool->IsCondemned(handle));
  EXPECT_EQ(world.Census().quarantined, 1u);
  EXPECT_TRUE(world.Lease(1).empty());
}

TEST(LeasePlaces, PardonOfALeasedHandle) {
  World world;
  const auto all = world.Lease(4);
  const auto handle = static_cast<Handle>(all[0].handle);
  EXPECT_EQ(world.pool->Quarantine(0, handle), LeasePool::Quarantined::kCondemned);
  EXPECT_TRUE(world.pool->Reinstate(0, handle, kNow));
  (void)world.Return(all[0], Disposition::kClean);
  EXPECT_EQ(world.Census().free, 1u);
}

TEST(LeasePlaces, QuarantineTakesDirtyAndRestingHandles) {
  LeasePool::Options options;
  options.rest_ms = 500;
  World world(options);
  const auto all = world.Lease(4);
  (void)world.Return(all[0], Disposition::kDirty);
  (void)world.Return(all[1], Disposition::kClean);
  for (const std::size_t i : {0u, 1u}) {
    EXPECT_EQ(world.pool->Quarantine(0, static_cast<Handle>(all[i].handle)),
              LeasePool::Quarantined::kNow);
  }
  EXPECT_EQ(world.Census().quarantined, 2u);
  world.Sweep(kNow + 501);
  EXPECT_TRUE(world.Lease(1, true).empty());
  EXPECT_TRUE(world.Lease(1).empty());
}

TEST(LeasePlaces, DrainingPoolLeasesNothingAndTakesBack) {
  World world;
  const auto all = world.Lease(2);
  world.pool->SetDraining(true);
  EXPECT_TRUE(world.Lease(1).empty());
  Waiter waiter;
  waiter.ttl_ms = kTtlMs;
  EXPECT_TRUE(world.pool->Wait(0, waiter, kNow));
  EXPECT_EQ(world.Return(all[0], Disposition::kClean).outcome, Outcome::kOk);
  EXPECT_TRUE(world.served.empty());
  EXPECT_TRUE(world.pool->StopWaiting(0, waiter, kNow));
  world.pool->SetDraining(false);
  EXPECT_EQ(world.Lease(3).size(), 3u);
}

TEST(LeasePlaces, ManyThreadsKeepEveryHandle) {
  constexpr uint32_t kHandles = 24;
  constexpr int kSteps = 60'000;
  World world({}, kHandles);
  std::vector<std::atomic<int>> owned(kHandles);
  std::atomic<int> faults{0};
  testing::RunTeam(2, [&](uint32_t worker) {
    std::minstd_rand random(worker + 1);
    std::vector<GrantRef> held;
    for (int step = 0; step < kSteps; ++step) {
      const auto roll = random() % 16;
      const Handle any = static_cast<Handle>(random() % kHandles);
      if (roll < 8) {
        GrantRef ref;
        const LeasePool::Wish wish = {
            .min_count = 1, .ttl_ms = kTtlMs, .holder = {}, .dirty = roll < 3};
        if (world.pool->Lease(worker, wish, kNow, {&ref, 1}) == 0) continue;
        if (owned[ref.handle].fetch_add(1) != 0) ++faults;
        held.push_back(ref);
      } else if (roll < 14 && !held.empty()) {
        const GrantRef ref = held.back();
        held.pop_back();
        owned[ref.handle].fetch_sub(1);
        const auto as = static_cast<Disposition>(random() % 3);
        Verdict verdict;
        world.pool->Return(worker, {&ref, 1}, kNow, {&verdict, 1}, {&as, 1});
        if (verdict.outcome != Outcome::kOk) ++faults;
      } else if (roll == 14) {
        (void)world.pool->Quarantine(worker, any);
      } else {
        for (Handle handle = 0; handle < kHandles; ++handle) {
          (void)world.pool->Reinstate(worker, handle, kNow);
        }
      }
    }
    for (const GrantRef& ref : held) {
      owned[ref.handle].fetch_sub(1);
      Verdict verdict;
      world.pool->Return(worker, {&ref, 1}, kNow, {&verdict, 1});
    }
  });
  EXPECT_EQ(faults, 0);
  world.pool->Adopt(0);
  (void)world.Census();
  for (Handle handle = 0; handle < kHandles; ++handle) (void)world.pool->Reinstate(0, handle, kNow);
  const LeasePool::Census census = world.Census();
  EXPECT_EQ(census.free + census.dirty, kHandles);
  const auto clean = world.Lease(static_cast<uint32_t>(census.free));
  EXPECT_EQ(clean.size(), census.free) << "each of them can be leased";
}

}  // namespace
}  // namespace objpool::lease
