// What those who do not hold a grant may do with it: revoke it, check its fence, list it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <memory>
#include <string>
#include <vector>

#include "server/lease/lease_pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"

namespace objpool::lease {
namespace {

constexpr BootMs kNow = 1'000'000;
constexpr uint64_t kFirstFence = 1000;

std::unique_ptr<LeasePool> MakePool(uint32_t capacity, uint32_t workers = 2) {
  std::string why;
  LeasePool::Options options;
  options.pool = {.capacity = capacity, .slots = testing::FlatSlots(workers)};
  options.first_fence = kFirstFence;
  auto pool = LeasePool::Create(options, why);
  EXPECT_NE(pool, nullptr) << why;
  for (SlotId w = 0; w < workers; ++w) EXPECT_TRUE(pool->Attach(w));
  return pool;
}

GrantRef LeaseOne(LeasePool& pool, BootMs now = kNow, std::string_view holder = {}) {
  GrantRef ref;
  EXPECT_EQ(pool.Lease(0, {.min_count = 1, .ttl_ms = 100, .holder = holder}, now, {&ref, 1}), 1u);
  return ref;
}

Verdict ReturnOne(LeasePool& pool, const GrantRef& ref, BootMs now, SlotId worker = 0) {
  Verdict verdict;
  pool.Return(worker, {&ref, 1}, now, {&verdict, 1});
  return verdict;
}

Verdict RenewOne(LeasePool& pool, const GrantRef& ref, BootMs now, SlotId worker = 0) {
  Verdict verdict;
  pool.Renew(worker, {&ref, 1}, 100, now, {&verdict, 1});
  return verdict;
}

void SweepAll(LeasePool& pool, BootMs now) {
  for (SlotId w = 0; w < pool.pool().slots().slots(); ++w) {
    while (!pool.Sweep(w, now)) {
    }
  }
}

Verdict CheckOf(const LeasePool& pool, const GrantRef& ref, BootMs now) {
  return pool.Check(static_cast<Handle>(ref.handle), ref.fence, now);
}

// The handles of the running grants that pass, looked for in the whole pool.
std::vector<Handle> HandlesOf(const LeasePool& pool, const GrantFilter& filter, BootMs now) {
  std::vector<LeaseTable::Listed> found;
  const uint32_t capacity = pool.pool().capacity();
  EXPECT_EQ(pool.List({0, capacity}, filter, now, capacity, found), capacity);
  std::vector<Handle> handles;
  for (const auto& [handle, grant] : found) handles.push_back(handle);
  return handles;
}

TEST(Revoke, EndsTheGrantAndBringsTheHandleBack) {
  const auto pool = MakePool(1);
  const GrantRef ref = LeaseOne(*pool);
  const Verdict revoked = pool->Revoke(1, ref.handle, ref.fence, kNow + 7);
  EXPECT_EQ(revoked.outcome, Outcome::kOk);
  EXPECT_TRUE(revoked.ended_here);
  EXPECT_EQ(pool->pool().free(), 1u);
  EXPECT_FALSE(pool->Look(0, kNow + 7).has_value());
  const LeaseTotals totals = pool->Totals();
  EXPECT_EQ(totals.revoked, 1u);
  EXPECT_EQ(totals.returned + totals.expired + totals.active(), 0u);
  EXPECT_EQ(LeaseOne(*pool, kNow + 7).fence, ref.fence + 1);
}

TEST(Revoke, TellsTheHolderWhoComesLater) {
  const auto pool = MakePool(1);
  const GrantRef ref = LeaseOne(*pool);
  (void)pool->Revoke(0, ref.handle, ref.fence, kNow + 7);
  for (const Verdict& told : {ReturnOne(*pool, ref, kNow + 9), RenewOne(*pool, ref, kNow + 9),
                              RenewOne(*pool, ref, kNow + 500)}) {
    EXPECT_EQ(told.outcome, Outcome::kRevoked);
    EXPECT_EQ(told.ended_at, kNow + 7);
    EXPECT_FALSE(told.ended_here);
  }
  EXPECT_EQ(pool->pool().free(), 1u);
  EXPECT_EQ(pool->Totals().returned, 0u);
}

TEST(Revoke, AgainIsToldSoAndPushesNothing) {
  const auto pool = MakePool(2);
  const GrantRef ref = LeaseOne(*pool);
  (void)pool->Revoke(0, ref.handle, ref.fence, kNow);
  const Verdict again = pool->Revoke(1, ref.handle, ref.fence, kNow + 5);
  EXPECT_EQ(again.outcome, Outcome::kRevoked);
  EXPECT_EQ(again.ended_at, kNow);
  EXPECT_EQ(pool->pool().free(), 2u);
  EXPECT_EQ(pool->Totals().revoked, 1u);
}

TEST(Revoke, OfAnyOtherGrantChangesNothing) {
  const auto pool = MakePool(2, 1);
  const GrantRef old = LeaseOne(*pool);
  (void)ReturnOne(*pool, old, kNow);
  EXPECT_EQ(pool->Revoke(0, old.handle, old.fence, kNow).outcome, Outcome::kReturned);
  const GrantRef current = LeaseOne(*pool);
  ASSERT_EQ(current.handle, old.handle) << "last in, first out";
  const Verdict stale = pool->Revoke(0, old.handle, old.fence, kNow);
  EXPECT_EQ(stale.outcome, Outcome::kStaleFence);
  EXPECT_EQ(stale.current_fence, current.fence);
  for (const uint64_t fence : {current.fence + 1, UINT64_MAX}) {
    EXPECT_EQ(pool->Revoke(0, old.handle, fence, kNow).outcome, Outcome::kNotHolder);
  }
  EXPECT_EQ(pool->Revoke(0, 1 - old.handle, kFirstFence, kNow).outcome, Outcome::kNotHolder);
  EXPECT_EQ(pool->Revoke(0, 2, kFirstFence, kNow).outcome, Outcome::kBadHandle);
  EXPECT_EQ(pool->Revoke(0, UINT64_MAX, kFirstFence, kNow).outcome, Outcome::kBadHandle);
  EXPECT_TRUE(pool->Look(static_cast<Handle>(current.handle), kNow).has_value());
  EXPECT_EQ(pool->pool().free(), 1u);
  EXPECT_EQ(pool->Totals().revoked, 0u);
}

TEST(Revoke, AfterTheDeadlineTheGrantHasExpired) {
  const auto pool = MakePool(1);
  const GrantRef ref = LeaseOne(*pool);
  const Verdict late = pool->Revoke(0, ref.handle, ref.fence, kNow + 101);
  EXPECT_EQ(late.outcome, Outcome::kExpired);
  EXPECT_TRUE(late.ended_here);
  EXPECT_EQ(pool->pool().free(), 1u);
  EXPECT_EQ(pool->Totals().expired, 1u);
  EXPECT_EQ(pool->Totals().revoked, 0u);
}

// Three workers end the same grant at once, in three ways: one of them does.
TEST(Revoke, AgainstReturnAndRenewExactlyOneWins) {
  constexpr std::size_t kRounds = 5000;
  const auto pool = MakePool(1, 3);
  std::array<GrantRef, kRounds> refs;
  std::array<std::array<Outcome, kRounds>, 3> told;
  std::array<int, 3> wins{};
  std::barrier step(3);
  testing::RunTeam(3, [&](uint32_t worker) {
    for (std::size_t i = 0; i < kRounds; ++i) {
      if (worker == 0) refs[i] = LeaseOne(*pool, kNow);
      step.arrive_and_wait();
      told[worker][i] = worker == 0   ? ReturnOne(*pool, refs[i], kNow, 0).outcome
                        : worker == 1 ? pool->Revoke(1, refs[i].handle, refs[i].fence, kNow).outcome
                                      : RenewOne(*pool, refs[i], kNow, 2).outcome;
      step.arrive_and_wait();
    }
  });
  for (std::size_t i = 0; i < kRounds; ++i) {
    const bool returned = told[0][i] == Outcome::kOk;
    const bool revoked = told[1][i] == Outcome::kOk;
    ASSERT_NE(returned, revoked) << "round " << i;
    ASSERT_EQ(returned ? told[1][i] : told[0][i],
              returned ? Outcome::kReturned : Outcome::kRevoked);
    const Outcome renewal = told[2][i];
    ASSERT_TRUE(renewal == Outcome::kOk ||
                renewal == (returned ? Outcome::kReturned : Outcome::kRevoked));
    ++wins[revoked ? 1 : 0];
  }
  const LeaseTotals totals = pool->Totals();
  EXPECT_EQ(totals.returned, static_cast<uint64_t>(wins[0]));
  EXPECT_EQ(totals.revoked, static_cast<uint64_t>(wins[1]));
  EXPECT_EQ(totals.granted, totals.ended());
  EXPECT_EQ(pool->pool().free(), 1u);
}

TEST(Check, TellsARunningGrantAndItsDeadline) {
  const auto pool = MakePool(1);
  const GrantRef ref = LeaseOne(*pool);
  Verdict verdict = CheckOf(*pool, ref, kNow + 100);
  EXPECT_EQ(verdict.outcome, Outcome::kOk);
  EXPECT_EQ(verdict.deadline, kNow + 101);
  EXPECT_EQ(verdict.current_fence, ref.fence);
  (void)RenewOne(*pool, ref, kNow + 50);
  EXPECT_EQ(CheckOf(*pool, ref, kNow + 100).deadline, kNow + 151);
}

TEST(Check, TellsHowTheNewestGrantEnded) {
  const auto pool = MakePool(3, 1);
  const std::array<GrantRef, 3> refs = {LeaseOne(*pool), LeaseOne(*pool), LeaseOne(*pool)};
  (void)ReturnOne(*pool, refs[0], kNow + 1);
  (void)pool->Revoke(0, refs[1].handle, refs[1].fence, kNow + 2);
  // Nobody has noticed yet, and it is over all the same.
  EXPECT_EQ(CheckOf(*pool, refs[2], kNow + 101).outcome, Outcome::kExpired);
  EXPECT_EQ(CheckOf(*pool, refs[2], kNow + 200).ended_at, kNow + 101);
  SweepAll(*pool, kNow + 110);
  const std::array<Outcome, 3> outcomes = {Outcome::kReturned, Outcome::kRevoked,
                                           Outcome::kExpired};
  const std::array<BootMs, 3> ended_at = {kNow + 1, kNow + 2, kNow + 110};
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const Verdict verdict = CheckOf(*pool, refs[i], kNow + 300);
    EXPECT_EQ(verdict.outcome, outcomes[i]) << i;
    EXPECT_EQ(verdict.ended_at, ended_at[i]) << i;
    EXPECT_EQ(verdict.current_fence, refs[i].fence) << i;
  }
}

TEST(CheckWithKey, SaysWhatARenewWouldSayAndChangesNothing) {
  auto pool = MakePool(2);
  const GrantRef ref = LeaseOne(*pool);
  EXPECT_EQ(pool->Check(ref, kNow + 50).outcome, Outcome::kOk);
  EXPECT_EQ(pool->Check(ref, kNow + 50).deadline, kNow + 101);
  EXPECT_EQ(pool->Check({ref.handle, ref.fence, ref.key ^ 1}, kNow).outcome, Outcome::kNotHolder);
  EXPECT_EQ(pool->Check({2, ref.fence, ref.key}, kNow).outcome, Outcome::kBadHandle);
  EXPECT_EQ(pool->Check(ref, kNow + 101).outcome, Outcome::kExpired);
  EXPECT_EQ(pool->Totals().active(), 1u) << "it is not ended by being looked at";
}

TEST(Check, TellsOlderAndNeverGivenFences) {
  const auto pool = MakePool(1);
  for (const uint64_t fence : {uint64_t{1}, kFirstFence, kFirstFence + 1, UINT64_MAX}) {
    const Verdict verdict = pool->Check(0, fence, kNow);
    EXPECT_EQ(verdict.outcome, Outcome::kNotHolder) << fence;
    EXPECT_EQ(verdict.current_fence, 0u);
  }
  const GrantRef old = LeaseOne(*pool);
  (void)ReturnOne(*pool, old, kNow);
  const GrantRef current = LeaseOne(*pool);
  for (const uint64_t fence : {uint64_t{1}, old.fence}) {
    const Verdict verdict = pool->Check(0, fence, kNow);
    EXPECT_EQ(verdict.outcome, Outcome::kStaleFence) << fence;
    EXPECT_EQ(verdict.current_fence, current.fence);
  }
  const Verdict ahead = pool->Check(0, current.fence + 1, kNow);
  EXPECT_EQ(ahead.outcome, Outcome::kNotHolder);
  EXPECT_EQ(ahead.current_fence, current.fence);
}

// Whoever guesses the next fence may ask while it is just being given. Grant number i begins at
// 10 i and is returned at 10 i + 5 or revoked at 10 i + 7, so that an answer about another grant
// can be told by its time.
TEST(Check, AGuessedFenceIsNeverTakenForAnotherGrant) {
  constexpr uint64_t kGrants = 100'000;
  const auto pool = MakePool(1, 2);
  std::atomic<uint64_t> given{0};  // grants so far
  const auto time_of = [](uint64_t number) { return kNow + (10 * number); };
  const auto judge = [&](const Verdict& verdict, uint64_t number) {
    if (verdict.outcome == Outcome::kReturned) {
      ASSERT_EQ(verdict.ended_at, time_of(number) + 5);
    }
    if (verdict.outcome == Outcome::kRevoked) {
      ASSERT_EQ(verdict.ended_at, time_of(number) + 7);
    }
    ASSERT_NE(verdict.outcome, Outcome::kExpired);
  };
  testing::RunTeam(2, [&](uint32_t worker) {
    for (uint64_t i = 1; worker == 0 && i <= kGrants; ++i) {
      GrantRef ref;
      // Who revoked the last one may not have pushed it yet.
      while (pool->Lease(0, {.min_count = 1, .ttl_ms = 100, .holder = {}}, time_of(i), {&ref, 1}) ==
             0) {
      }
      (void)ReturnOne(*pool, ref, time_of(i) + 5);
      given = i;
    }
    while (worker == 1 && given < kGrants) {
      const uint64_t next = given + 1;
      judge(pool->Check(0, kFirstFence + next - 1, time_of(next)), next);
      judge(pool->Revoke(1, 0, kFirstFence + next - 1, time_of(next) + 7), next);
    }
  });
  EXPECT_EQ(pool->Totals().granted, pool->Totals().ended());
}

TEST(List, ShowsRunningGrantsInOrder) {
  const auto pool = MakePool(8, 1);
  std::vector<GrantRef> refs(8);
  for (GrantRef& ref : refs) ref = LeaseOne(*pool, kNow, "web");
  (void)ReturnOne(*pool, refs[1], kNow);
  (void)pool->Revoke(0, refs[4].handle, refs[4].fence, kNow);
  (void)RenewOne(*pool, refs[6], kNow + 90);
  std::vector<LeaseTable::Listed> found;
  EXPECT_EQ(pool->List({0, 8}, {}, kNow + 100, 8, found), 8u);
  ASSERT_EQ(found.size(), 6u);
  for (std::size_t i = 1; i < found.size(); ++i) {
    EXPECT_LT(found[i - 1].handle, found[i].handle);
  }
  for (const auto& [handle, grant] : found) {
    EXPECT_EQ(grant.holder, "web");
    EXPECT_EQ(grant.granted_at, kNow);
    EXPECT_EQ(grant.deadline, handle == refs[6].handle ? kNow + 191 : kNow + 101);
  }
  // Past their deadline the others do not run, swept or not.
  EXPECT_EQ(HandlesOf(*pool, {}, kNow + 101),
            std::vector<Handle>{static_cast<Handle>(refs[6].handle)});
}

TEST(List, StopsAtItsLimitsAndGoesOnThere) {
  const auto pool = MakePool(600, 1);
  std::vector<GrantRef> refs(600);
  ASSERT_EQ(pool->Lease(0, {.min_count = 600, .ttl_ms = 100, .holder = "w"}, kNow, refs), 600u);
  std::vector<LeaseTable::Listed> found;
  Handle next = pool->List({0, 600}, {}, kNow, 250, found);
  EXPECT_EQ(next, 250u);
  next = pool->List({next, 400}, {}, kNow, 500, found);
  EXPECT_EQ(next, 400u) << "the range ends";
  EXPECT_EQ(found.size(), 400u);
  next = pool->List({next, 600}, {}, kNow, 600, found);
  EXPECT_EQ(next, 600u);
  ASSERT_EQ(found.size(), 600u);
  for (Handle handle = 0; handle < 600; ++handle) EXPECT_EQ(found[handle].handle, handle);
}

TEST(List, FiltersByHolderAndByTimeHeld) {
  const auto pool = MakePool(4, 1);
  const GrantRef a = LeaseOne(*pool, kNow, "web-1");
  const GrantRef b = LeaseOne(*pool, kNow + 20, "web-12");
  const GrantRef none = LeaseOne(*pool, kNow + 40);
  const auto handles = [](auto... ref) {
    std::vector<Handle> all = {static_cast<Handle>(ref.handle)...};
    std::ranges::sort(all);
    return all;
  };
  const BootMs now = kNow + 50;
  EXPECT_EQ(HandlesOf(*pool, {}, now), handles(a, b, none));
  EXPECT_EQ(HandlesOf(*pool, {.holder = "web-1"}, now), handles(a));
  EXPECT_EQ(HandlesOf(*pool, {.holder = "web"}, now), std::vector<Handle>());
  EXPECT_EQ(HandlesOf(*pool, {.holder = ""}, now), handles(none));
  EXPECT_EQ(HandlesOf(*pool, {.holder = {}, .held_at_least_ms = 30}, now), handles(a, b));
  EXPECT_EQ(HandlesOf(*pool, {.holder = {}, .held_at_least_ms = 31}, now), handles(a));
  EXPECT_EQ(HandlesOf(*pool, {.holder = "web-12", .held_at_least_ms = 31}, now),
            std::vector<Handle>());
  // A renewal does not make a grant younger.
  (void)RenewOne(*pool, a, now);
  EXPECT_EQ(HandlesOf(*pool, {.holder = {}, .held_at_least_ms = 50}, now), handles(a));
}

// While others lease, renew and give back all around them, grants that stay are listed each time.
TEST(List, MissesNoGrantThatRunsAllTheWhile) {
  constexpr uint32_t kCapacity = 400;
  const auto pool = MakePool(kCapacity, 3);
  std::vector<GrantRef> kept(100);
  ASSERT_EQ(pool->Lease(2, {.min_count = 100, .ttl_ms = 100, .holder = "stays"}, kNow, kept), 100u);
  std::atomic<bool> done{false};
  testing::RunTeam(3, [&](uint32_t worker) {
    for (uint32_t i = 0; worker < 2 && !done; ++i) {
      const GrantRef& renewed = kept[(i * 2 + worker) % kept.size()];
      EXPECT_EQ(RenewOne(*pool, renewed, kNow, worker).outcome, Outcome::kOk);
      std::array<GrantRef, 3> refs;
      const uint32_t got = pool->Lease(
          worker, {.min_count = 1, .ttl_ms = 100, .holder = "goes with a long name"}, kNow, refs);
      if (got > 0) (void)pool->Revoke(worker, refs[0].handle, refs[0].fence, kNow);
      for (uint32_t n = 1; n < got; ++n) (void)ReturnOne(*pool, refs[n], kNow, worker);
    }
    if (worker < 2) return;
    for (int round = 0; round < 300; ++round) {
      EXPECT_EQ(HandlesOf(*pool, {.holder = "stays"}, kNow).size(), kept.size());
      std::vector<LeaseTable::Listed> all;
      (void)pool->List({0, kCapacity}, {}, kNow, kCapacity, all);
      for (const auto& [handle, grant] : all) {
        EXPECT_TRUE(grant.holder == "stays" || grant.holder == "goes with a long name");
      }
    }
    done = true;
  });
  EXPECT_EQ(pool->Totals().active(), kept.size());
}

}  // namespace
}  // namespace objpool::lease
