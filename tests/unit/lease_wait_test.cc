// Goal: who waits is served in order, exactly once, and never stands beside a free handle that
// would do. Method: first by one thread, step by step; then by many at once, with one ownership
// cell for each handle and a bound in time that only a forgotten waiter reaches.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/lease/lease_pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"

namespace objpool::lease {
namespace {

constexpr BootMs kNow = 1000;
constexpr uint64_t kTtlMs = 10'000;

// A pool, and the order in which it served.
struct World {
  std::unique_ptr<LeasePool> pool;
  std::vector<Waiter*> served;

  explicit World(uint32_t capacity, uint32_t max_waiters = 100) {
    LeasePool::Options options;
    options.pool = {.capacity = capacity, .slots = testing::FlatSlots(2)};
    options.max_waiters = max_waiters;
    options.on_served = [this](Waiter& waiter) { served.push_back(&waiter); };
    std::string why;
    pool = LeasePool::Create(options, why);
    EXPECT_NE(pool, nullptr) << why;
    for (SlotId worker = 0; worker < 2; ++worker) EXPECT_TRUE(pool->Attach(worker));
  }

  std::vector<GrantRef> Lease(uint32_t count, SlotId worker = 0) {
    std::vector<GrantRef> refs(count);
    refs.resize(
        pool->Lease(worker, {.min_count = count, .ttl_ms = kTtlMs, .holder = {}}, kNow, refs));
    return refs;
  }
  void Return(std::span<const GrantRef> refs, SlotId worker = 0) {
    std::vector<Verdict> verdicts(refs.size());
    pool->Return(worker, refs, kNow, verdicts);
    for (const Verdict& verdict : verdicts) EXPECT_EQ(verdict.outcome, Outcome::kOk);
  }
  // Waits stay where they are.
  Waiter& Wait(uint32_t count, uint32_t priority = 0, SlotId worker = 0) {
    Waiter& waiter = waiters.emplace_back();
    waiter.count = waiter.min_count = count;
    waiter.ttl_ms = kTtlMs;
    waiter.priority = priority;
    EXPECT_TRUE(pool->Wait(worker, waiter, kNow));
    return waiter;
  }
  std::deque<Waiter> waiters;
};

TEST(LeaseWait, AReturnOnAnyWorkerServesTheOldest) {
  World world(1);
  const auto held = world.Lease(1);
  const Waiter& first = world.Wait(1, 0, 0);
  Waiter& second = world.Wait(1, 0, 1);
  EXPECT_TRUE(world.served.empty());
  world.Return(held, 1);
  ASSERT_EQ(world.served, std::vector<Waiter*>{&world.waiters[0]});
  ASSERT_EQ(first.grants.size(), 1u);
  EXPECT_GT(first.grants[0].fence, held[0].fence);
  EXPECT_EQ(world.pool->LookAtWaiting().waiters, 1u);
  world.Return(first.grants);
  EXPECT_EQ(second.grants.size(), 1u);
  EXPECT_FALSE(world.pool->StopWaiting(0, second, kNow)) << "it was served";
  EXPECT_EQ(world.pool->LookAtWaiting().waiters, 0u);
}

TEST(LeaseWait, WhoComesToFreeHandlesIsServedAtOnce) {
  World world(2);
  EXPECT_EQ(world.Wait(2).grants.size(), 2u);
}

TEST(LeaseWait, TheHigherPriorityGoesFirstAndEachInOrder) {
  World world(1);
  const auto held = world.Lease(1);
  for (const uint32_t priority : {0u, 5u, 9u, 5u, 0u}) world.Wait(1, priority);
  world.Return(held);
  for (int i = 0; i < 4; ++i) world.Return(world.served.back()->grants);
  std::vector<std::ptrdiff_t> order;
  for (const Waiter* waiter : world.served) {
    for (std::size_t i = 0; i < world.waiters.size(); ++i) {
      if (&world.waiters[i] == waiter) order.push_back(static_cast<std::ptrdiff_t>(i));
    }
  }
  EXPECT_EQ(order, (std::vector<std::ptrdiff_t>{2, 1, 3, 0, 4}));
}

TEST(LeaseWait, NobodyOvertakesOneWhoWantsMany) {
  World world(4);
  const auto held = world.Lease(4);
  Waiter& many = world.Wait(3);
  Waiter& one = world.Wait(1);
  world.Return(std::span(held).first(2));
  EXPECT_TRUE(world.served.empty()) << "two are not three";
  EXPECT_TRUE(world.Lease(1).empty()) << "and who comes later stands behind";
  world.Return(std::span(held).subspan(2, 1));
  EXPECT_EQ(many.grants.size(), 3u);
  EXPECT_TRUE(one.grants.empty());
  world.Return(std::span(held).last(1));
  EXPECT_EQ(one.grants.size(), 1u);
}

TEST(LeaseWait, OneWhoGivesUpLetsTheOthersPass) {
  World world(3);
  const auto held = world.Lease(3);
  Waiter& many = world.Wait(3);
  const Waiter& one = world.Wait(1);
  world.Return(std::span(held).first(1));
  EXPECT_TRUE(one.grants.empty());
  EXPECT_TRUE(world.pool->StopWaiting(0, many, kNow));
  EXPECT_EQ(one.grants.size(), 1u);
  EXPECT_FALSE(world.pool->StopWaiting(0, many, kNow));
}

TEST(LeaseWait, AGrantThatRunsOutServesToo) {
  World world(1);
  (void)world.Lease(1);
  const Waiter& waiter = world.Wait(1);
  for (SlotId worker = 0; worker < 2; ++worker) {
    while (!world.pool->Sweep(worker, kNow + kTtlMs + 1)) {
    }
  }
  EXPECT_EQ(waiter.grants.size(), 1u);
  EXPECT_EQ(waiter.served_at, kNow + kTtlMs + 1);
}

TEST(LeaseWait, TheQueueIsBounded) {
  World world(1, 2);
  const auto held = world.Lease(1);
  world.Wait(1);
  world.Wait(1);
  Waiter third;
  third.ttl_ms = kTtlMs;
  EXPECT_FALSE(world.pool->Wait(0, third, kNow));
  EXPECT_EQ(world.pool->LookAtWaiting().waiters, 2u);
  EXPECT_EQ(world.pool->LookAtWaiting().oldest_since, kNow);
}

// Many threads lease, wait, give up and return, each as a worker of its own.
struct Crowd {
  static constexpr uint32_t kThreads = 8;
  static constexpr uint32_t kCapacity = 5;
  struct Seat : Waiter {
    std::atomic<bool> done{false};
  };

  std::unique_ptr<LeasePool> pool;
  std::array<std::atomic<int>, kCapacity> holders{};
  std::atomic<uint64_t> violations{0}, waits{0}, forgotten{0};

  void Hold(std::span<const GrantRef> refs, int change) {
    for (const GrantRef& ref : refs) {
      const int before = holders[ref.handle].fetch_add(change);
      if (before != (change > 0 ? 0 : 1)) ++violations;
    }
  }
  void Run(SlotId worker, int rounds) {
    for (int i = 0; i < rounds; ++i) {
      Seat seat;
      seat.count = 1 + (static_cast<uint32_t>(i) % 3);
      seat.min_count = 1;
      seat.ttl_ms = kTtlMs;
      seat.priority = static_cast<uint32_t>(i) % kPriorities;
      if (!pool->Wait(worker, seat, kNow)) {
        ++violations;
        continue;
      }
      ++waits;
      const bool gave_up = i % 7 == 0 && pool->StopWaiting(worker, seat, kNow);
      if (gave_up) continue;
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      while (!seat.done.load(std::memory_order_acquire)) {
        std::this_thread::yield();
        if (std::chrono::steady_clock::now() < end) continue;
        ++forgotten;
        return;
      }
      Hold(seat.grants, 1);
      Hold(seat.grants, -1);
      std::vector<Verdict> verdicts(seat.grants.size());
      pool->Return(worker, seat.grants, kNow, verdicts);
    }
  }
};

TEST(LeaseWait, NobodyIsForgottenInACrowd) {
  for (const bool slot_lock : {false, true}) {
    Crowd crowd;
    LeasePool::Options options;
    options.pool = {.capacity = Crowd::kCapacity,
                    .slots = testing::FlatSlots(Crowd::kThreads),
                    .slot_lock = slot_lock};
    options.on_served = [](Waiter& waiter) {
      static_cast<Crowd::Seat&>(waiter).done.store(true, std::memory_order_release);
    };
    std::string why;
    crowd.pool = LeasePool::Create(options, why);
    ASSERT_NE(crowd.pool, nullptr) << why;
    testing::RunTeam(Crowd::kThreads, [&](uint32_t worker) {
      EXPECT_TRUE(crowd.pool->Attach(worker));
      crowd.Run(worker, 3000);
    });
    EXPECT_EQ(crowd.violations, 0u);
    EXPECT_EQ(crowd.forgotten, 0u);
    EXPECT_EQ(crowd.pool->pool().free(), Crowd::kCapacity);
    EXPECT_EQ(crowd.pool->LookAtWaiting().waiters, 0u);
  }
}

}  // namespace
}  // namespace objpool::lease
