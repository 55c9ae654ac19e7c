// Goal: nobody has more than its quota, whatever it does and however often; what it gives back it
// may have again; and renewals always get through. Method: step by step, and by many at once.
#include "server/lease/quotas.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "server/lease/lease_pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"

namespace objpool::lease {
namespace {

constexpr BootMs kNow = 100'000;
constexpr uint64_t kTtlMs = 1000;
constexpr uint64_t kAlice = 0x1111'0000'0000'0001;
constexpr uint64_t kBob = 0x2222'0000'0000'0001;  // in the same bucket

TEST(Quotas, HandlesAreForEachIdentity) {
  Quotas quotas(100);
  quotas.SetLimits({.handles = 10});
  const auto alice = quotas.Admit(kAlice, 4, 8, kNow);
  EXPECT_EQ(alice.count, 8u);
  EXPECT_EQ(quotas.Admit(kAlice, 1, 8, kNow).count, 2u) << "as many as fit";
  const auto refused = quotas.Admit(kAlice, 1, 1, kNow);
  EXPECT_EQ(refused.count, 0u);
  EXPECT_EQ(refused.has, 10u);
  EXPECT_EQ(refused.retry_ms, 0u);
  const auto bob = quotas.Admit(kBob, 10, 10, kNow);
  EXPECT_EQ(bob.count, 10u);
  EXPECT_NE(bob.tenant.cell, alice.tenant.cell);
  quotas.Release(alice.tenant, 3);
  EXPECT_EQ(quotas.Admit(kAlice, 4, 4, kNow).count, 0u);
  EXPECT_EQ(quotas.Admit(kAlice, 3, 4, kNow).count, 3u);
}

TEST(Quotas, LimitsOfOnesOwnStandForThePools) {
  Quotas quotas(100);
  const Quotas::Own own = Quotas::Limits{.handles = 3, .calls_per_s = 4};
  const auto alice = quotas.Admit(kAlice, 1, 8, kNow, own);
  EXPECT_EQ(alice.count, 3u) << "where the pool has none";
  quotas.Give(alice.tenant, 5);
  quotas.TakeBack(5);
  quotas.SetLimits({.handles = 1});
  EXPECT_EQ(quotas.Admit(kAlice, 1, 8, kNow, own).count, 1u) << "what it gave back";
  EXPECT_EQ(quotas.Admit(kBob, 1, 8, kNow).count, 1u);
  EXPECT_EQ(quotas.Admit(kBob, 1, 8, kNow, Quotas::Limits{}).count, 8u) << "no limit at all";
  while (quotas.Admit(kAlice, 1, 1, kNow, own).retry_ms == 0) continue;
  EXPECT_EQ(quotas.Admit(kBob, 1, 1, kNow).retry_ms, 0u);
  quotas.CountCall(kAlice, kNow, own);
  EXPECT_NE(quotas.Admit(kAlice, 1, 1, kNow + 100, own).retry_ms, 0u);
}

TEST(Quotas, AreTakenBackOnceWithTheHandle) {
  Quotas quotas(100);
  quotas.SetLimits({.handles = 2});
  const auto alice = quotas.Admit(kAlice, 2, 2, kNow);
  quotas.Give(alice.tenant, 5);
  quotas.Give(alice.tenant, 6);
  quotas.TakeBack(5);
  quotas.TakeBack(5);
  EXPECT_EQ(quotas.Admit(kAlice, 1, 2, kNow).count, 1u);
}

TEST(Quotas, WhoFindsNoCellSharesOne) {
  Quotas quotas(100'000);
  quotas.SetLimits({.handles = 1});
  // Eight of one bucket have cells of their own, and all others of it one together.
  for (uint64_t i = 1; i <= 8; ++i) EXPECT_EQ(quotas.Admit(i << 32, 1, 1, kNow).count, 1u);
  const auto ninth = quotas.Admit(uint64_t{9} << 32, 1, 1, kNow);
  EXPECT_EQ(ninth.count, 1u);
  EXPECT_EQ(quotas.Admit(uint64_t{10} << 32, 1, 1, kNow).count, 0u);
  quotas.Release(ninth.tenant, 1);
  EXPECT_EQ(quotas.Admit(uint64_t{10} << 32, 1, 1, kNow).count, 1u);
}

TEST(Quotas, CellsOfWhoHasNothingGoToOthers) {
  Quotas quotas(100);
  quotas.SetLimits({.handles = 1});
  for (uint64_t i = 1; i <= 1000; ++i) {
    const auto admission = quotas.Admit(i << 32, 1, 1, kNow);
    ASSERT_EQ(admission.count, 1u);
    quotas.Release(admission.tenant, 1);
  }
}

TEST(Quotas, ThreeQuartersOfTheCallsAreForLeases) {
  Quotas quotas(100);
  quotas.SetLimits({.calls_per_s = 100});
  uint32_t leases = 0;
  while (leases < 1000 && quotas.Admit(kAlice, 1, 1, kNow).count != 0) ++leases;
  EXPECT_EQ(leases, 75u);
  const auto refused = quotas.Admit(kAlice, 1, 1, kNow);
  EXPECT_EQ(refused.retry_ms, 10u);
  EXPECT_EQ(quotas.Admit(kAlice, 1, 1, kNow + 10).count, 1u);
  EXPECT_EQ(quotas.Admit(kBob, 1, 1, kNow).count, 1u);
  // However many renewals there were, a second later all is forgotten.
  for (int i = 0; i < 1000; ++i) quotas.CountCall(kAlice, kNow);
  EXPECT_EQ(quotas.Admit(kAlice, 1, 1, kNow + 200).count, 0u);
  EXPECT_EQ(quotas.Admit(kAlice, 1, 1, kNow + 1000).count, 1u);
}

TEST(Quotas, EveryEndOfAGrantCounts) {
  LeasePool::Options options;
  options.pool = {.capacity = 10, .slots = testing::FlatSlots(1)};
  options.quota = {.handles = 4};
  options.on_served = [](Waiter&) {};
  std::string why;
  const auto pool = LeasePool::Create(options, why);
  ASSERT_TRUE(pool->Attach(0));
  const auto lease = [&](uint32_t count, BootMs now) {
    const auto admission = pool->quotas().Admit(kAlice, count, count, now);
    std::vector<GrantRef> refs(admission.count);
    if (refs.empty()) return refs;
    const LeasePool::Wish wish = {
        .min_count = count, .ttl_ms = kTtlMs, .holder = {}, .tenant = admission.tenant};
    EXPECT_EQ(pool->Lease(0, wish, now, refs), count);
    return refs;
  };
  const auto refs = lease(4, kNow);
  ASSERT_EQ(refs.size(), 4u);
  EXPECT_TRUE(lease(1, kNow).empty());
  std::array<Verdict, 1> verdict;
  const std::array dirty = {Disposition::kDirty};
  pool->Return(0, std::span(refs).first(1), kNow, verdict);
  pool->Return(0, std::span(refs).subspan(1, 1), kNow, verdict, dirty);
  EXPECT_EQ(pool->Revoke(0, refs[2].handle, refs[2].fence, kNow).outcome, Outcome::kOk);
  EXPECT_TRUE(lease(4, kNow).empty()) << "one runs still";
  const BootMs later = kNow + kTtlMs + 2;
  while (pool->Totals().expired == 0) (void)pool->Sweep(0, later);
  EXPECT_EQ(lease(4, later).size(), 4u);
}

TEST(Quotas, WhoWaitsHasWhatItWaitsFor) {
  LeasePool::Options options;
  options.pool = {.capacity = 2, .slots = testing::FlatSlots(1)};
  options.quota = {.handles = 3};
  options.on_served = [](Waiter&) {};
  std::string why;
  const auto pool = LeasePool::Create(options, why);
  ASSERT_TRUE(pool->Attach(0));
  std::array<GrantRef, 2> held;
  ASSERT_EQ(pool->Lease(0, {.min_count = 2, .ttl_ms = kTtlMs, .holder = {}}, kNow, held), 2u);
  Waiter waiter;
  waiter.ttl_ms = kTtlMs;
  const auto wait = [&] {
    const auto admission = pool->quotas().Admit(kAlice, 1, 3, kNow);
    EXPECT_EQ(admission.count, 3u) << "all is released";
    waiter.count = admission.count;
    waiter.tenant = admission.tenant;
    ASSERT_TRUE(pool->Wait(0, waiter, kNow));
    EXPECT_EQ(pool->quotas().Admit(kAlice, 1, 1, kNow).count, 0u);
  };
  wait();
  EXPECT_TRUE(pool->StopWaiting(0, waiter, kNow));
  wait();
  std::array<Verdict, 2> verdicts;
  pool->Return(0, held, kNow, verdicts);
  ASSERT_EQ(waiter.grants.size(), 2u) << "it is served as soon as there is one, with all there are";
  const auto rest = pool->quotas().Admit(kAlice, 1, 3, kNow);
  EXPECT_EQ(rest.count, 1u);
  pool->quotas().Release(rest.tenant, rest.count);
  pool->Return(0, waiter.grants, kNow, verdicts);
  EXPECT_EQ(pool->quotas().Admit(kAlice, 3, 3, kNow).count, 3u);
}

TEST(Quotas, HoldWhenManyAskAtOnce) {
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kMost = 5;
  constexpr uint32_t kRounds = 50'000;
  Quotas quotas(1000);
  quotas.SetLimits({.handles = kMost});
  constexpr uint32_t kIdentities = 8;  // as many as have cells of their own
  std::array<std::atomic<uint32_t>, kIdentities> have{};
  std::atomic<int> failures{0};
  testing::RunTeam(kThreads, [&](uint32_t self) {
    for (uint32_t round = 0; round < kRounds; ++round) {
      const uint32_t who = (self + (round / 10)) % kIdentities;
      const auto admission = quotas.Admit(uint64_t{who + 1} << 32, 1, 3, kNow);
      if (admission.count == 0) continue;
      if (have[who].fetch_add(admission.count) + admission.count > kMost) failures.fetch_add(1);
      have[who].fetch_sub(admission.count);
      quotas.Release(admission.tenant, admission.count);
    }
  });
  EXPECT_EQ(failures.load(), 0);
  for (uint64_t who = 1; who <= kIdentities; ++who) {
    EXPECT_EQ(quotas.Admit(who << 32, kMost, kMost, kNow).count, kMost);
    EXPECT_EQ(quotas.Admit(who << 32, 1, 1, kNow).count, 0u);
  }
}

}  // namespace
}  // namespace objpool::lease
