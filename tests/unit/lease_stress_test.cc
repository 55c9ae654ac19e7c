// Goal: every grant ends exactly once, whoever ends it, and the handle comes back exactly once.
// Method: workers lease, renew, return, revoke (also each other's grants, twice, and late) and
// sweep with a clock that one of them moves, so that expiry races with the others at every point.
// In the end the counters must balance and every handle must be free.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/lease/lease_pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"

namespace objpool::lease {
namespace {

constexpr uint32_t kWorkers = 4;
constexpr uint32_t kCapacity = 300;
constexpr std::size_t kKept = std::size_t{2} * kCapacity;  // refs, old ones among them

// Grants that any worker may end.
class SharedGrants {
 public:
  void Put(const GrantRef& ref) {
    const std::scoped_lock lock(mutex_);
    refs_.push_back(ref);
    if (refs_.size() > kKept) refs_.erase(refs_.begin(), refs_.begin() + kCapacity);
  }
  bool Pick(uint32_t at, GrantRef& ref) {
    const std::scoped_lock lock(mutex_);
    if (refs_.empty()) return false;
    ref = refs_[at % refs_.size()];
    return true;
  }

 private:
  std::mutex mutex_;
  std::vector<GrantRef> refs_;
};

struct World {
  std::unique_ptr<LeasePool> pool;
  SharedGrants grants;
  std::atomic<BootMs> now{1000};
  std::atomic<uint64_t> violations{0};
  std::vector<std::vector<GrantRef>> granted{kWorkers};  // by worker, in its own order
};

// Fences rise in the order of each worker, and none is given twice.
void CheckFences(const World& world) {
  std::set<std::pair<uint64_t, uint64_t>> all;
  for (const auto& refs : world.granted) {
    std::vector<uint64_t> last(kCapacity);
    for (const GrantRef& ref : refs) {
      ASSERT_GT(ref.fence, last[ref.handle]);
      last[ref.handle] = ref.fence;
      ASSERT_TRUE(all.emplace(ref.handle, ref.fence).second);
    }
  }
}

// What is said of a fence that was given, must be one of the answers for it.
void CheckOne(World& world, const GrantRef& ref, BootMs now) {
  const Verdict verdict = world.pool->Check(static_cast<Handle>(ref.handle), ref.fence, now);
  const bool running = verdict.outcome == Outcome::kOk;
  if (running && verdict.deadline <= now) ++world.violations;
  if (verdict.current_fence < ref.fence) ++world.violations;
  const bool older = verdict.outcome == Outcome::kStaleFence;
  if (older == (verdict.current_fence == ref.fence)) ++world.violations;
}

void Step(World& world, SlotId worker, std::minstd_rand& random) {
  LeasePool& pool = *world.pool;
  const BootMs now = world.now.load();
  GrantRef ref;
  Verdict verdict;
  switch (random() % 10) {
    case 0:
    case 1:
    case 2: {
      std::vector<GrantRef> got(1 + (random() % 4));
      got.resize(pool.Lease(worker, {.min_count = 1, .ttl_ms = 1 + (random() % 5), .holder = "w"},
                            now, got));
      for (const GrantRef& grant : got) {
        world.granted[worker].push_back(grant);
        world.grants.Put(grant);
      }
      return;
    }
    case 3:
    case 4:
      if (!world.grants.Pick(static_cast<uint32_t>(random()), ref)) return;
      pool.Return(worker, {&ref, 1}, now, {&verdict, 1});
      return;
    case 5:
      if (!world.grants.Pick(static_cast<uint32_t>(random()), ref)) return;
      pool.Renew(worker, {&ref, 1}, 1 + (random() % 5), now, {&verdict, 1});
      return;
    case 6:
      if (const auto view = pool.Look(static_cast<Handle>(random() % kCapacity), now)) {
        if (view->holder != "w" || view->deadline <= now) ++world.violations;
      }
      return;
    case 7:
      if (!world.grants.Pick(static_cast<uint32_t>(random()), ref)) return;
      (void)pool.Revoke(worker, ref.handle, ref.fence, now);
      return;
    case 8:
      if (!world.grants.Pick(static_cast<uint32_t>(random()), ref)) return;
      CheckOne(world, ref, now);
      return;
    default:
      (void)pool.Sweep(worker, now);
      if (worker == 0) world.now.fetch_add(1);
      return;
  }
}

TEST(LeaseStress, EveryGrantEndsExactlyOnce) {
  World world;
  std::string why;
  LeasePool::Options options;
  options.pool = {.capacity = kCapacity, .slots = testing::FlatSlots(kWorkers)};
  world.pool = LeasePool::Create(options, why);
  ASSERT_NE(world.pool, nullptr) << why;
  for (SlotId w = 0; w < kWorkers; ++w) ASSERT_TRUE(world.pool->Attach(w));

  testing::RunTeam(kWorkers, [&](uint32_t worker) {
    std::minstd_rand random(worker + 1);
    for (int i = 0; i < 60'000; ++i) Step(world, worker, random);
  });
  const LeaseTotals running = world.pool->Totals();
  EXPECT_EQ(world.violations, 0u);
  CheckFences(world);
  EXPECT_EQ(running.active() + world.pool->pool().free(), uint64_t{kCapacity});

  for (SlotId w = 0; w < kWorkers; ++w) {
    world.pool->Adopt(w);
    while (!world.pool->Sweep(w, world.now + 1000)) {
    }
  }
  const LeaseTotals totals = world.pool->Totals();
  EXPECT_GT(totals.returned, 0u);
  EXPECT_GT(totals.renewed, 0u);
  EXPECT_GT(totals.expired, 0u);
  EXPECT_GT(totals.revoked, 0u);
  EXPECT_EQ(totals.granted, totals.returned + totals.expired + totals.revoked);
  EXPECT_EQ(world.pool->pool().free(), uint64_t{kCapacity});
}

}  // namespace
}  // namespace objpool::lease
