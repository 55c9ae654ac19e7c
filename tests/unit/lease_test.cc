#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "server/lease/lease_pool.h"
#include "server/lease/lease_table.h"
#include "server/lease/lease_word.h"
#include "tests/support/fake_topology.h"

namespace objpool::lease {
namespace {

constexpr BootMs kNow = 1'000'000;

std::unique_ptr<LeasePool> MakePool(uint32_t capacity, uint32_t workers = 2, uint32_t id = 7) {
  std::string why;
  LeasePool::Options options;
  options.id = id;
  options.pool = {.capacity = capacity, .slots = testing::FlatSlots(workers)};
  options.secret = {1, 2, 3};
  options.first_fence = 1000;
  auto pool = LeasePool::Create(options, why);
  EXPECT_NE(pool, nullptr) << why;
  for (SlotId w = 0; w < workers; ++w) EXPECT_TRUE(pool->Attach(w));
  return pool;
}

GrantRef LeaseOne(LeasePool& pool, BootMs now, uint64_t ttl_ms, SlotId worker = 0,
                  std::string_view holder = {}) {
  GrantRef ref;
  EXPECT_EQ(
      pool.Lease(worker, {.min_count = 1, .ttl_ms = ttl_ms, .holder = holder}, now, {&ref, 1}), 1u);
  return ref;
}

Verdict ReturnOne(LeasePool& pool, const GrantRef& ref, BootMs now, SlotId worker = 0) {
  Verdict verdict;
  pool.Return(worker, {&ref, 1}, now, {&verdict, 1});
  return verdict;
}

Verdict RenewOne(LeasePool& pool, const GrantRef& ref, uint64_t ttl_ms, BootMs now) {
  Verdict verdict;
  pool.Renew(0, {&ref, 1}, ttl_ms, now, {&verdict, 1});
  return verdict;
}

void SweepAll(LeasePool& pool, BootMs now) {
  for (SlotId w = 0; w < pool.pool().slots().slots(); ++w) {
    while (!pool.Sweep(w, now)) {
    }
  }
}

TEST(LeaseWord, KeepsTimeFenceAndState) {
  const LeaseWord word = LeaseWord::Leased(LeaseWord::kMaxTime, 0x123456789);
  EXPECT_TRUE(word.leased());
  EXPECT_FALSE(word.for_cleaning());
  EXPECT_EQ(word.time(), LeaseWord::kMaxTime);
  EXPECT_TRUE(word.OfFence(0x123456789));
  EXPECT_FALSE(word.OfFence(0x12345678a));
  EXPECT_TRUE(word.Renewed(5).OfFence(0x123456789));
  EXPECT_FALSE(word.OfFence(0x223456789)) << "of another epoch";
  EXPECT_FALSE(LeaseWord::Leased(5, uint64_t{7} << 32).OfFence(0)) << "of no epoch";
  EXPECT_EQ(word.Renewed(5).time(), 5u);
  EXPECT_EQ(word.Ended(Ending::kExpired, 9, Place::kDirty).ending(), Ending::kExpired);
  EXPECT_TRUE(word.Ended(Ending::kExpired, 9, Place::kDirty).IsAt(Place::kDirty));
  EXPECT_TRUE(LeaseWord::Leased(5, 1, true).Renewed(6).for_cleaning());
  EXPECT_TRUE(LeaseWord(0).IsAt(Place::kFree));
  EXPECT_FALSE(LeaseWord::Leased(100, 1).Overdue(99));
  EXPECT_TRUE(LeaseWord::Leased(100, 1).Overdue(100));
}

TEST(LeasePool, FencesRiseByHandleAndKeysDiffer) {
  const auto pool = MakePool(1);
  const GrantRef first = LeaseOne(*pool, kNow, 1000);
  EXPECT_EQ(first.fence, 1000u);
  EXPECT_EQ(ReturnOne(*pool, first, kNow).outcome, Outcome::kOk);
  const GrantRef second = LeaseOne(*pool, kNow, 1000);
  EXPECT_EQ(second.handle, first.handle);
  EXPECT_EQ(second.fence, 1001u);
  EXPECT_NE(second.key, first.key);
}

TEST(LeasePool, ReturnIsIdempotentForTheNewestGrant) {
  const auto pool = MakePool(4);
  const GrantRef ref = LeaseOne(*pool, kNow, 1000);
  EXPECT_EQ(ReturnOne(*pool, ref, kNow + 10).outcome, Outcome::kOk);
  const Verdict again = ReturnOne(*pool, ref, kNow + 20);
  EXPECT_EQ(again.outcome, Outcome::kAlreadyReturned);
  EXPECT_EQ(again.ended_at, kNow + 10);
  EXPECT_EQ(pool->pool().free(), 4u) << "the second return pushed nothing";
}

TEST(LeasePool, StaleReturnChangesNothingAndNamesTheNewFence) {
  const auto pool = MakePool(1);
  const GrantRef old = LeaseOne(*pool, kNow, 1000);
  (void)ReturnOne(*pool, old, kNow);
  const GrantRef current = LeaseOne(*pool, kNow, 1000);
  const Verdict stale = ReturnOne(*pool, old, kNow);
  EXPECT_EQ(stale.outcome, Outcome::kStaleFence);
  EXPECT_EQ(stale.current_fence, current.fence);
  EXPECT_EQ(RenewOne(*pool, old, 9000, kNow).outcome, Outcome::kStaleFence);
  EXPECT_EQ(pool->pool().free(), 0u);
  EXPECT_EQ(ReturnOne(*pool, current, kNow).outcome, Outcome::kOk);
}

TEST(LeasePool, ForeignKeyIsRefusedWhateverTheFence) {
  const auto pool = MakePool(4);
  const auto other = MakePool(4, 2, 8);
  const GrantRef ref = LeaseOne(*pool, kNow, 1000);
  for (GrantRef forged :
       {GrantRef{ref.handle, ref.fence, ref.key ^ 1}, GrantRef{ref.handle, ref.fence + 1, ref.key},
        GrantRef{ref.handle + 1, ref.fence, ref.key}, GrantRef{0, 0, 0}}) {
    EXPECT_EQ(ReturnOne(*pool, forged, kNow).outcome, Outcome::kNotHolder);
    EXPECT_EQ(RenewOne(*pool, forged, 5000, kNow).outcome, Outcome::kNotHolder);
  }
  EXPECT_EQ(ReturnOne(*other, ref, kNow).outcome, Outcome::kNotHolder) << "another pool's key";
  EXPECT_EQ(ReturnOne(*pool, {4, ref.fence, ref.key}, kNow).outcome, Outcome::kBadHandle);
  EXPECT_EQ(ReturnOne(*pool, {uint64_t{1} << 40, 1, 1}, kNow).outcome, Outcome::kBadHandle);
  EXPECT_EQ(pool->pool().free(), 3u);
  EXPECT_EQ(ReturnOne(*pool, ref, kNow).outcome, Outcome::kOk);
}

TEST(LeasePool, ExpiresAtTheDeadlineAndNeverBefore) {
  const auto pool = MakePool(3, 2);
  (void)LeaseOne(*pool, kNow, 50);
  SweepAll(*pool, kNow + 50);
  EXPECT_EQ(pool->pool().free(), 2u) << "now was rounded down, so 50 ms may not have passed";
  SweepAll(*pool, kNow + 51);
  EXPECT_EQ(pool->pool().free(), 3u);
  EXPECT_EQ(pool->Totals().expired, 1u);
  EXPECT_EQ(pool->Totals().active(), 0u);
}

TEST(LeasePool, RenewMovesTheDeadlineBothWays) {
  const auto pool = MakePool(2, 1);
  const GrantRef ref = LeaseOne(*pool, kNow, 50);
  EXPECT_EQ(RenewOne(*pool, ref, 500, kNow + 40).outcome, Outcome::kOk);
  SweepAll(*pool, kNow + 540);
  EXPECT_EQ(pool->pool().free(), 1u);
  EXPECT_EQ(RenewOne(*pool, ref, 5, kNow + 540).outcome, Outcome::kOk);
  SweepAll(*pool, kNow + 546);
  EXPECT_EQ(pool->pool().free(), 2u);
  const Verdict late = RenewOne(*pool, ref, 500, kNow + 600);
  EXPECT_EQ(late.outcome, Outcome::kExpired);
  EXPECT_EQ(late.ended_at, kNow + 546);
  EXPECT_FALSE(late.ended_here);
}

TEST(LeasePool, LateCallerEndsTheGrantHimself) {
  const auto pool = MakePool(2, 1);
  const GrantRef a = LeaseOne(*pool, kNow, 50);
  const GrantRef b = LeaseOne(*pool, kNow, 50);
  const Verdict renewed = RenewOne(*pool, a, 1000, kNow + 51);
  EXPECT_EQ(renewed.outcome, Outcome::kExpired);
  const Verdict returned = ReturnOne(*pool, b, kNow + 51);
  EXPECT_EQ(returned.outcome, Outcome::kExpired);
  EXPECT_EQ(pool->pool().free(), 2u) << "each came back once";
  EXPECT_EQ(ReturnOne(*pool, a, kNow + 60).outcome, Outcome::kExpired);
  EXPECT_EQ(pool->Totals().expired, 2u);
  EXPECT_EQ(pool->Totals().returned, 0u);
}

TEST(LeasePool, RenewAfterReturnSaysSo) {
  const auto pool = MakePool(2);
  const GrantRef ref = LeaseOne(*pool, kNow, 50);
  (void)ReturnOne(*pool, ref, kNow);
  EXPECT_EQ(RenewOne(*pool, ref, 50, kNow).outcome, Outcome::kReturned);
}

TEST(LeasePool, LookShowsTheHolderWhileTheGrantRuns) {
  const auto pool = MakePool(1);
  EXPECT_FALSE(pool->Look(0, kNow).has_value());
  const std::string longest(kMaxHolderBytes, 'x');
  for (const std::string& holder : {std::string("build-17"), longest, std::string()}) {
    const GrantRef ref = LeaseOne(*pool, kNow, 500, 0, holder);
    const auto view = pool->Look(0, kNow + 500);
    ASSERT_TRUE(view.has_value());
    EXPECT_EQ(view->holder, holder);
    EXPECT_EQ(view->fence, ref.fence);
    EXPECT_EQ(view->granted_at, kNow);
    EXPECT_EQ(view->deadline, kNow + 501);
    EXPECT_FALSE(pool->Look(0, kNow + 501).has_value());
    (void)ReturnOne(*pool, ref, kNow);
  }
}

TEST(LeasePool, BatchIsAllOrNothingBelowItsMinimum) {
  const auto pool = MakePool(5);
  std::vector<GrantRef> refs(6);
  EXPECT_EQ(pool->Lease(0, {.min_count = 6, .ttl_ms = 100, .holder = {}}, kNow, refs), 0u);
  EXPECT_EQ(pool->Totals().granted, 0u);
  EXPECT_EQ(pool->Lease(0, {.min_count = 2, .ttl_ms = 100, .holder = {}}, kNow, refs), 5u);
  refs.resize(5);
  refs.push_back(refs[0]);  // twice in one batch
  std::vector<Verdict> verdicts(6);
  pool->Return(1, refs, kNow, verdicts);
  EXPECT_EQ(verdicts[4].outcome, Outcome::kOk);
  EXPECT_EQ(verdicts[5].outcome, Outcome::kAlreadyReturned);
  EXPECT_EQ(pool->pool().free(), 5u);
}

TEST(LeasePool, SweepsAWholePoolThatExpiresAtOnce) {
  constexpr uint32_t kCapacity = 10'000;
  const auto pool = MakePool(kCapacity, 3);
  std::vector<GrantRef> refs(kMaxBatch);
  uint32_t leased = 0;
  while (leased < kCapacity) {
    leased += pool->Lease(0, {.min_count = 1, .ttl_ms = 100, .holder = "h"}, kNow, refs);
  }
  SweepAll(*pool, kNow + 100);
  EXPECT_EQ(pool->pool().free(), 0u);
  SweepAll(*pool, kNow + 150);
  EXPECT_EQ(pool->pool().free(), uint64_t{kCapacity});
  EXPECT_EQ(pool->Totals().expired, uint64_t{kCapacity});
}

TEST(LeasePool, EstimatesTheRetryFromHowFastHandlesComeBack) {
  const auto pool = MakePool(100);
  EXPECT_EQ(pool->EstimateRetryMs(1, kNow), LeasePool::kMaxRetryMs) << "nothing ever came back";
  for (int i = 0; i < 100; ++i) {
    (void)ReturnOne(*pool, LeaseOne(*pool, kNow, 1000), kNow);
  }
  EXPECT_EQ(pool->EstimateRetryMs(1, kNow + 1000), 10u) << "100 in a second";
  EXPECT_EQ(pool->EstimateRetryMs(50, kNow + 1000), 500u);
  EXPECT_EQ(pool->EstimateRetryMs(1, kNow + 9000), LeasePool::kMaxRetryMs) << "none since";
}

}  // namespace
}  // namespace objpool::lease
