// Goal: a selector gets what it means and nothing else, "none" is said only when it is true of all
// that it means, and who waits for one kind of handles is not in the way of who waits for another.
// Method: step by step by one thread; then by many at once on a pool that has always a handle left.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/lease/lease_pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"

namespace objpool::lease {
namespace {

using Rule = SelectorTerm::Rule;

constexpr BootMs kNow = 1000;
constexpr uint64_t kTtlMs = 10'000;

std::optional<HandleClasses> Make(uint32_t capacity, const std::vector<LabelledRange>& ranges) {
  std::string why;
  auto classes = HandleClasses::Make(capacity, ranges, why);
  EXPECT_EQ(classes.has_value(), why.empty()) << why;
  return classes;
}

std::string WhyNot(uint32_t capacity, const std::vector<LabelledRange>& ranges) {
  std::string why;
  EXPECT_FALSE(HandleClasses::Make(capacity, ranges, why).has_value());
  return why;
}

TEST(HandleClasses, HandlesWithTheSameLabelsAreOneClass) {
  const auto classes =
      Make(10, {{2, 3, {{"gpu", "a"}}}, {6, 7, {{"gpu", "a"}}}, {7, 8, {{"rack", "1"}}}});
  ASSERT_TRUE(classes);
  EXPECT_EQ(classes->count(), 4u) << "none, gpu, gpu and rack, rack";
  EXPECT_EQ(classes->ClassOf(2), classes->ClassOf(6));
  EXPECT_EQ(classes->ClassOf(0), classes->ClassOf(9));
  EXPECT_NE(classes->ClassOf(7), classes->ClassOf(6));
  EXPECT_EQ(classes->LabelsOf(classes->ClassOf(7)), (Labels{{"gpu", "a"}, {"rack", "1"}}));
  EXPECT_EQ(classes->CapacityOf(classes->all()), 10u);
  EXPECT_EQ(classes->CapacityOf(classes->Match(std::array{SelectorTerm{"gpu", Rule::kExists, {}}})),
            4u);
}

TEST(HandleClasses, TermsAreThoseOfKubernetes) {
  const auto classes = Make(4, {{0, 0, {{"k", "a"}}}, {1, 1, {{"k", "b"}}}, {2, 2, {{"j", "a"}}}});
  ASSERT_TRUE(classes);
  const auto handles = [&](std::vector<SelectorTerm> terms) {
    std::string found;
    const ClassMask mask = classes->Match(terms);
    for (Handle h = 0; h < 4; ++h) found += (mask >> classes->ClassOf(h) & 1) != 0 ? "y" : "n";
    return found;
  };
  EXPECT_EQ(handles({}), "yyyy");
  EXPECT_EQ(handles({{"k", Rule::kIn, {"a", "c"}}}), "ynnn");
  EXPECT_EQ(handles({{"k", Rule::kNotIn, {"a"}}}), "nyyy") << "also those without the label";
  EXPECT_EQ(handles({{"k", Rule::kExists, {}}}), "yynn");
  EXPECT_EQ(handles({{"k", Rule::kNotExists, {}}}), "nnyy");
  EXPECT_EQ(handles({{"k", Rule::kNotExists, {}}, {"j", Rule::kExists, {}}}), "nnyn");
}

TEST(HandleClasses, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_NE(WhyNot(4, {{3, 4, {{"k", "a"}}}}).find("0 .. 3"), std::string::npos);
  EXPECT_NE(WhyNot(4, {{0, 3, {{"k", "a"}}}, {2, 2, {{"k", "b"}}}}).find("handle 2"),
            std::string::npos);
  std::vector<LabelledRange> many;
  for (Handle h = 0; h < 65; ++h) many.push_back({h, h, {{"k", std::to_string(h)}}});
  EXPECT_NE(WhyNot(65, many).find("at most 64"), std::string::npos);
  many.pop_back();
  EXPECT_EQ(Make(64, many)->count(), 64u);
}

// Handles 0 .. 2 are "a", 3 .. 5 are "b".
struct World {
  std::unique_ptr<LeasePool> pool;
  std::vector<const Waiter*> served;
  std::deque<Waiter> waiters;

  World() {
    LeasePool::Options options;
    options.pool = {.capacity = 6, .slots = testing::FlatSlots(2)};
    options.labels = {{0, 2, {{"k", "a"}}}, {3, 5, {{"k", "b"}}}};
    options.on_served = [this](Waiter& waiter) { served.push_back(&waiter); };
    std::string why;
    pool = LeasePool::Create(options, why);
    EXPECT_NE(pool, nullptr) << why;
    for (SlotId worker = 0; worker < 2; ++worker) EXPECT_TRUE(pool->Attach(worker));
  }
  [[nodiscard]] ClassMask Of(const char* value) const {
    return pool->classes().Match(std::array{SelectorTerm{"k", Rule::kIn, {value}}});
  }
  std::vector<GrantRef> Lease(ClassMask classes, uint32_t count = 1, bool dirty = false) {
    std::vector<GrantRef> refs(count);
    refs.resize(pool->Lease(
        0, {.min_count = count, .ttl_ms = kTtlMs, .holder = {}, .dirty = dirty, .classes = classes},
        kNow, refs));
    return refs;
  }
  void Return(std::span<const GrantRef> refs, Disposition as = Disposition::kClean) {
    std::vector<Verdict> verdicts(refs.size());
    const std::vector<Disposition> dispositions(refs.size(), as);
    pool->Return(1, refs, kNow, verdicts, dispositions);
    for (const Verdict& verdict : verdicts) EXPECT_EQ(verdict.outcome, Outcome::kOk);
  }
  Waiter& Wait(ClassMask classes, uint32_t count = 1, uint32_t priority = 0, bool dirty = false) {
    Waiter& waiter = waiters.emplace_back();
    waiter.count = waiter.min_count = count;
    waiter.ttl_ms = kTtlMs;
    waiter.priority = priority;
    waiter.classes = classes;
    waiter.dirty = dirty;
    EXPECT_TRUE(pool->Wait(0, waiter, kNow));
    return waiter;
  }
  ~World() { EXPECT_EQ(pool->Counted(), pool->Recount()); }
};

TEST(LeaseSelect, GetsWhatItMeansAndNoMore) {
  World world;
  const auto first = world.Lease(world.Of("b"), 3);
  ASSERT_EQ(first.size(), 3u);
  for (const GrantRef& ref : first) EXPECT_GE(ref.handle, 3u);
  EXPECT_TRUE(world.Lease(world.Of("b")).empty());
  EXPECT_TRUE(world.Lease(kAllClasses, 4).empty()) << "three are left";
  EXPECT_EQ(world.pool->pool().Stats(0).misses, 2u) << "one for each that got nothing";
  EXPECT_EQ(world.Lease(kAllClasses, 3).size(), 3u);
  EXPECT_TRUE(world.Lease(kAllClasses).empty());
  world.Return(first);
  EXPECT_TRUE(world.Lease(world.Of("a")).empty());
  EXPECT_EQ(world.Lease(world.Of("b"), 3).size(), 3u);
}

TEST(LeaseSelect, ABatchTakesFromSeveralClasses) {
  World world;
  const auto all = world.Lease(kAllClasses, 5);
  std::set<uint64_t> handles;
  for (const GrantRef& ref : all) handles.insert(ref.handle);
  EXPECT_EQ(handles.size(), 5u);
}

TEST(LeaseSelect, WhoWaitsForOneKindIsNotInTheWayOfAnother) {
  World world;
  const auto a = world.Lease(world.Of("a"), 3);
  const auto b = world.Lease(world.Of("b"), 3);
  const Waiter& wants_a = world.Wait(world.Of("a"));
  const Waiter& wants_b = world.Wait(world.Of("b"));
  const Waiter& wants_any = world.Wait(kAllClasses);
  world.Return(std::span(b).first(1));
  ASSERT_EQ(world.served, std::vector<const Waiter*>{&wants_b});
  world.Return(std::span(b).subspan(1, 1));
  ASSERT_EQ(world.served.size(), 2u);
  EXPECT_EQ(world.served[1], &wants_any) << "b is not claimed any more, and a still is";
  world.Return(std::span(a).first(1));
  EXPECT_EQ(world.served.back(), &wants_a);
}

TEST(LeaseSelect, WhoIsFirstKeepsWhatItWaitsForFromAllBehind) {
  World world;
  const auto a = world.Lease(world.Of("a"), 3);
  const auto b = world.Lease(world.Of("b"), 3);
  const Waiter& wants_four = world.Wait(kAllClasses, 4);
  Waiter& wants_b = world.Wait(world.Of("b"));
  world.Return(b);
  EXPECT_TRUE(world.served.empty()) << "three of four";
  EXPECT_TRUE(world.Lease(world.Of("b")).empty()) << "nor does a newcomer get one";
  world.Return(std::span(a).first(1));
  ASSERT_EQ(world.served, std::vector<const Waiter*>{&wants_four});
  EXPECT_TRUE(world.pool->StopWaiting(0, wants_b, kNow));
}

TEST(LeaseSelect, PriorityComesFirstAmongThoseWhoWantTheSame) {
  World world;
  const auto a = world.Lease(world.Of("a"), 3);
  const Waiter& low = world.Wait(world.Of("a"), 1, 0);
  const Waiter& high = world.Wait(world.Of("a") | world.Of("b"), 1, 5);
  EXPECT_EQ(world.served, std::vector<const Waiter*>{&high}) << "by one of b, at once";
  const auto rest_of_b = world.Lease(world.Of("b"), 2);
  EXPECT_EQ(rest_of_b.size(), 2u) << "nobody waits for b";
  const Waiter& higher = world.Wait(kAllClasses, 1, 9);
  world.Return(std::span(a).first(1));
  EXPECT_EQ(world.served.back(), &higher);
  world.Return(std::span(a).subspan(1, 1));
  EXPECT_EQ(world.served.back(), &low);
}

TEST(LeaseSelect, CleanersSelectToo) {
  World world;
  const auto a = world.Lease(world.Of("a"), 1);
  const auto b = world.Lease(world.Of("b"), 2);
  Waiter& cleans_b = world.Wait(world.Of("b"), 1, 0, true);
  world.Return(a, Disposition::kDirty);
  EXPECT_TRUE(world.served.empty());
  world.Return(std::span(b).first(1), Disposition::kDirty);
  ASSERT_EQ(world.served, std::vector<const Waiter*>{&cleans_b});
  EXPECT_EQ(cleans_b.grants[0].handle, b[0].handle);
  world.Return(std::span(b).subspan(1), Disposition::kDirty);
  const auto cleaning = world.Lease(kAllClasses, 2, true);
  ASSERT_EQ(cleaning.size(), 2u);
  EXPECT_EQ(cleaning[0].handle, a[0].handle) << "the longest dirty first, whatever its class";
}

TEST(LeaseSelect, KindsThatWaitAreBounded) {
  LeasePool::Options options;
  options.pool = {.capacity = 64, .slots = testing::FlatSlots(1)};
  for (Handle h = 0; h < 64; ++h) options.labels.push_back({h, h, {{"k", std::to_string(h)}}});
  options.on_served = [](Waiter&) {};
  std::string why;
  const auto pool = LeasePool::Create(options, why);
  ASSERT_TRUE(pool->Attach(0));
  std::vector<GrantRef> all(64);
  ASSERT_EQ(pool->Lease(0, {.min_count = 64, .ttl_ms = kTtlMs, .holder = {}}, kNow, all), 64u);
  std::deque<Waiter> waiters;
  for (uint64_t mask = 1; waiters.size() <= WaitQueue::kMaxKinds; ++mask) {
    Waiter& waiter = waiters.emplace_back();
    waiter.ttl_ms = kTtlMs;
    waiter.classes = mask;
    EXPECT_EQ(pool->Wait(0, waiter, kNow), waiters.size() <= WaitQueue::kMaxKinds);
  }
  for (Waiter& waiter : waiters) (void)pool->StopWaiting(0, waiter, kNow);
  Waiter& again = waiters.emplace_back();
  again.ttl_ms = kTtlMs;
  again.classes = 1000;
  EXPECT_TRUE(pool->Wait(0, again, kNow)) << "what is empty is used again";
  EXPECT_TRUE(pool->StopWaiting(0, again, kNow));
}

// One thread takes up to four at once, and three take one each: with seven handles, nobody may ever
// be told that there are too few.
TEST(LeaseSelect, NoneIsNeverSaidWhileSomethingIsFree) {
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kMost = 4;
  constexpr uint32_t kCapacity = kThreads - 1 + kMost;
  constexpr uint32_t kRounds = 20'000;
  LeasePool::Options options;
  options.pool = {.capacity = kCapacity, .slots = testing::FlatSlots(kThreads)};
  options.labels = {{0, 2, {{"k", "a"}}}, {3, 4, {{"k", "b"}}}};
  options.on_served = [](Waiter&) {};
  std::string why;
  const auto pool = LeasePool::Create(options, why);
  for (SlotId s = 0; s < kThreads; ++s) ASSERT_TRUE(pool->Attach(s));
  std::array<std::atomic<int>, kCapacity> owners{};
  std::atomic<int> failures{0};
  testing::RunTeam(kThreads, [&](uint32_t self) {
    pool->Adopt(self);
    for (uint32_t round = 0; round < kRounds; ++round) {
      const uint32_t count = self == 0 ? 1 + (round % kMost) : 1;
      std::array<GrantRef, kMost> refs;
      const auto out = std::span(refs).first(count);
      const LeasePool::Wish wish = {.min_count = count, .ttl_ms = kTtlMs, .holder = {}};
      if (pool->Lease(self, wish, kNow, out) != count) {
        failures.fetch_add(1);
        continue;
      }
      for (const GrantRef& ref : out) {
        if (owners[ref.handle].fetch_add(1) != 0) failures.fetch_add(1);
      }
      for (const GrantRef& ref : out) owners[ref.handle].fetch_sub(1);
      std::array<Verdict, kMost> verdicts;
      pool->Return(self, out, kNow, std::span(verdicts).first(count));
    }
  });
  EXPECT_EQ(failures.load(), 0);
  EXPECT_EQ(pool->pool().free(), uint64_t{kCapacity});
  EXPECT_EQ(pool->Counted(), pool->Recount());
}

// The node of the worker is the first of two; handles of the other one's share are on that.
TEST(LeaseSelect, TakesWhatIsNearToWhoeverAsks) {
  LeasePool::Options options;
  const auto slots = SlotMap::ForAllCpus(testing::FakeMachine(2, 1, 2, 1));
  options.pool = {.capacity = 400, .slots = slots, .return_home = true};
  options.on_served = [](Waiter&) {};
  std::string why;
  const auto pool = LeasePool::Create(options, why);
  for (SlotId s = 0; s < 4; ++s) ASSERT_TRUE(pool->Attach(s));
  const auto lease = [&](uint32_t count, uint32_t min_count) {
    std::vector<GrantRef> refs(count);
    refs.resize(pool->Lease(
        0, {.min_count = min_count, .ttl_ms = kTtlMs, .holder = {}, .near_node = 1}, kNow, refs));
    return refs;
  };
  for (int i = 0; i < 20; ++i) {
    const auto refs = lease(10, 10);
    ASSERT_EQ(refs.size(), 10u);
    for (const GrantRef& ref : refs) EXPECT_GE(ref.handle, 200u) << "of node 1";
  }
  const auto others = lease(10, 1);
  ASSERT_EQ(others.size(), 10u);
  for (const GrantRef& ref : others) EXPECT_LT(ref.handle, 200u) << "there are no more of node 1";
  EXPECT_EQ(lease(190, 190).size(), 190u);
  EXPECT_TRUE(lease(1, 1).empty());
  uint64_t occupancy = 0;
  for (SlotId s = 0; s < 4; ++s) occupancy += pool->pool().Stats(s).occupancy;
  EXPECT_EQ(occupancy, 0u);
  EXPECT_EQ(pool->Counted(), pool->Recount());
}

}  // namespace
}  // namespace objpool::lease
