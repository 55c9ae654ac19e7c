// Goal: a session knows what it has and what has to be said of it, each thing once; it lingers as
// long as it should; and all of it is bounded. Method: one thread, step by step, with made-up time;
// and walks over grants against a plain set, with a printed seed.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "server/lease/session_directory.h"
#include "server/lease/session_grants.h"
#include "server/lease/session_table.h"

namespace objpool::lease {
namespace {

using Finding = SessionGrants::Finding;

constexpr BootMs kNow = 1000;
constexpr uint64_t kTtlMs = 300;
constexpr BootMs kDeadline = kNow + kTtlMs + 1;

GrantRef Ref(uint64_t handle, uint64_t fence = 7) { return {handle, fence, 70}; }
Verdict Runs(BootMs deadline) { return {.outcome = Outcome::kOk, .deadline = deadline}; }

TEST(SessionGrants, WhatWasAddedIsThereUntilItIsRemovedByItsFence) {
  SessionGrants grants;
  grants.Add("a", Ref(1), kTtlMs, kDeadline, kNow);
  grants.Add("b", Ref(1), kTtlMs, kDeadline, kNow);
  EXPECT_EQ(grants.size(), 2u);
  EXPECT_TRUE(grants.Has("b", 1, 7));
  EXPECT_FALSE(grants.Remove("b", 1, 8)) << "another grant";
  EXPECT_FALSE(grants.Remove("c", 1, 7));
  EXPECT_TRUE(grants.Remove("b", 1, 7));
  EXPECT_FALSE(grants.Remove("b", 1, 7));
  EXPECT_TRUE(grants.Has("a", 1, 7));
  EXPECT_EQ(grants.PoolOf(grants.at(0)), "a");
}

TEST(SessionGrants, ANewerGrantOfAHandleTakesThePlaceOfTheOlder) {
  SessionGrants grants;
  grants.Add("a", Ref(1, 7), kTtlMs, kDeadline, kNow);
  grants.Add("a", Ref(1, 8), kTtlMs, kDeadline, kNow);
  EXPECT_EQ(grants.size(), 1u);
  EXPECT_FALSE(grants.Has("a", 1, 7));
  EXPECT_TRUE(grants.Has("a", 1, 8));
}

TEST(SessionGrants, ItExpiresSoonOnceForEachDeadline) {
  SessionGrants grants;
  grants.Add("a", Ref(1), kTtlMs, kDeadline, kNow);
  const auto look = [&](BootMs deadline, BootMs now) {
    const Finding found = grants.LookAt(0, Runs(deadline), now);
    if (found == Finding::kSoon) grants.Told(0);
    return found;
  };
  EXPECT_EQ(look(kDeadline, kDeadline - 101), Finding::kNothing);
  EXPECT_EQ(grants.LookAt(0, Runs(kDeadline), kDeadline - 100), Finding::kSoon);
  EXPECT_EQ(look(kDeadline, kDeadline - 100), Finding::kSoon) << "nobody was told yet";
  EXPECT_EQ(look(kDeadline, kDeadline - 50), Finding::kNothing);
  grants.Renew("a", Ref(1), 600, kDeadline + 600);
  EXPECT_EQ(look(kDeadline + 600, kDeadline + 399), Finding::kNothing);
  EXPECT_EQ(look(kDeadline + 600, kDeadline + 400), Finding::kSoon);
  // Renewed by somebody else: a third of what is left when it is noticed.
  EXPECT_EQ(look(kDeadline + 1300, kDeadline + 400), Finding::kNothing);
  EXPECT_EQ(look(kDeadline + 1300, kDeadline + 999), Finding::kNothing);
  EXPECT_EQ(look(kDeadline + 1300, kDeadline + 1000), Finding::kSoon);
  for (const Outcome ended : {Outcome::kExpired, Outcome::kRevoked, Outcome::kStaleFence,
                              Outcome::kReturned, Outcome::kNotHolder}) {
    EXPECT_EQ(grants.LookAt(0, {.outcome = ended}, kNow), Finding::kOver);
  }
}

TEST(SessionGrants, AGrantOfUnknownTtlExpiresSoonByWhatItHadLeft) {
  SessionGrants grants;
  grants.Add("a", Ref(1), 0, kNow + 90, kNow);
  EXPECT_EQ(grants.LookAt(0, Runs(kNow + 90), kNow + 59), Finding::kNothing);
  EXPECT_EQ(grants.LookAt(0, Runs(kNow + 90), kNow + 60), Finding::kSoon);
}

TEST(SessionGrants, RunsAreOfOnePoolAndOneTtl) {
  SessionGrants grants;
  for (uint64_t handle = 0; handle < 4; ++handle) {
    grants.Add("a", Ref(handle), kTtlMs, kDeadline, kNow);
  }
  grants.Add("a", Ref(4), 1, kDeadline, kNow);
  grants.Add("b", Ref(5), 1, kDeadline, kNow);
  EXPECT_EQ(grants.FirstOfRun(6, 100), 5u);
  EXPECT_EQ(grants.FirstOfRun(5, 100), 4u);
  EXPECT_EQ(grants.FirstOfRun(4, 100), 0u);
  EXPECT_EQ(grants.FirstOfRun(4, 3), 1u);
}

TEST(SessionGrants, AWalkSeesEachGrantWhateverIsRemovedAndAddedOnTheWay) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    SessionGrants grants;
    std::set<uint64_t> unseen;
    for (uint64_t handle = 0; handle < 60; ++handle) {
      grants.Add(random() % 2 == 0 ? "a" : "b", Ref(handle), random() % 2, kDeadline, kNow);
      unseen.insert(handle);
    }
    uint64_t next = 1000;
    for (std::size_t end = grants.size(); end > 0;) {
      const std::size_t first = grants.FirstOfRun(end, 1 + (random() % 7));
      for (std::size_t i = end; i > first; --i) {
        unseen.erase(grants.at(i - 1).ref.handle);
        if (random() % 3 == 0) grants.RemoveAt(i - 1);
      }
      if (random() % 2 == 0) grants.Add("c", Ref(next++), 1, kDeadline, kNow);
      end = first;
    }
    EXPECT_TRUE(unseen.empty());
    for (std::size_t i = 0; i < grants.size(); ++i) {
      const auto& held = grants.at(i);
      EXPECT_TRUE(grants.Has(grants.PoolOf(held), held.ref.handle, held.ref.fence));
    }
  }
}

// A table, and what it was made of.
struct World {
  SessionTable table;
  uint64_t serial = 0;

  Session& Open(uint64_t linger_ms, int grants = 1) {
    auto session = std::make_unique<Session>();
    session->serial = ++serial;
    session->linger_ms = linger_ms;
    for (int i = 0; i < grants; ++i) {
      session->grants.Add("a", Ref(static_cast<uint64_t>(i)), kTtlMs, kDeadline, kNow);
    }
    return table.Add(std::move(session));
  }
};

TEST(SessionTable, ItLingersAsLongAsItShouldAndNoLonger) {
  World world;
  Session& slow = world.Open(500);
  Session& fast = world.Open(100);
  Session& open = world.Open(0);
  world.table.Linger(slow, kNow);
  world.table.Linger(fast, kNow);
  EXPECT_EQ(world.table.open(), 1u);
  EXPECT_EQ(world.table.lingering(), 2u);
  EXPECT_EQ(world.table.LingeredOut(kNow + 100), nullptr) << "kNow was rounded down";
  EXPECT_EQ(world.table.LingeredOut(kNow + 101), &fast);
  world.table.Leave(fast);
  EXPECT_EQ(world.table.Find(fast.serial), nullptr);
  EXPECT_EQ(world.table.LingeredOut(kNow + 101), nullptr);
  world.table.Linger(open, kNow + 200);
  EXPECT_EQ(world.table.LingeredOut(kNow + 200), &open) << "at once";
  EXPECT_EQ(world.table.Leaving(), &fast);
  world.table.Leave(open);
  world.table.Drop(fast);
  EXPECT_EQ(world.table.Leaving(), &open) << "in the order in which they left";
  world.table.Drop(open);
  EXPECT_EQ(world.table.Leaving(), nullptr);
  EXPECT_EQ(world.table.Find(slow.serial), &slow);
}

TEST(SessionTable, WhoIsReopenedOrTakenAwayDoesNotLingerAnyMore) {
  World world;
  Session& back = world.Open(100);
  Session& away = world.Open(100);
  world.table.Linger(back, kNow);
  world.table.Linger(away, kNow);
  world.table.Reopen(back);
  const auto taken = world.table.Take(away);
  EXPECT_EQ(world.table.LingeredOut(kNow + 1000), nullptr);
  EXPECT_EQ(world.table.Find(taken->serial), nullptr);
  EXPECT_EQ(world.table.Find(back.serial), &back);
  World other;
  Session& moved = other.table.Add(std::make_unique<Session>());
  other.table.Linger(moved, kNow);
  EXPECT_EQ(other.table.LingeredOut(kNow), &moved);
}

TEST(SessionTable, EachRoundLooksOnceAtEachOpenSessionThatHasGrants) {
  World world;
  Session& first = world.Open(100, 5);
  (void)world.Open(100, 0);
  Session& lingering = world.Open(100, 5);
  Session& last = world.Open(100, 5);
  world.table.Linger(lingering, kNow);
  EXPECT_EQ(world.table.ToLookAt(kNow), &last);
  EXPECT_EQ(last.look_end, 5u);
  last.look_end = 2;
  EXPECT_EQ(world.table.ToLookAt(kNow), &last) << "it is not done yet";
  EXPECT_EQ(last.look_end, 2u);
  last.grants.RemoveAt(0);
  last.grants.RemoveAt(0);
  last.grants.RemoveAt(0);
  last.grants.RemoveAt(0);
  EXPECT_EQ(world.table.ToLookAt(kNow), &last);
  EXPECT_EQ(last.look_end, 1u) << "never beyond what is there";
  world.table.Looked();
  EXPECT_EQ(world.table.ToLookAt(kNow), &first);
  world.table.Looked();
  EXPECT_EQ(world.table.ToLookAt(kNow), nullptr);
  EXPECT_EQ(world.table.ToLookAt(kNow + SessionTable::kLookEveryMs - 1), nullptr);
  EXPECT_EQ(world.table.ToLookAt(kNow + SessionTable::kLookEveryMs), &last);
  EXPECT_EQ(last.look_end, 1u) << "from the back again";
}

TEST(SessionTable, ALookOutlivesTheSessionThatItWasAt) {
  World world;
  Session& first = world.Open(100, 5);
  Session& last = world.Open(100, 5);
  EXPECT_EQ(world.table.ToLookAt(kNow), &last);
  (void)world.table.Take(last);
  EXPECT_EQ(world.table.ToLookAt(kNow), &first);
  world.table.Leave(first);
  EXPECT_EQ(world.table.ToLookAt(kNow), nullptr);
}

TEST(SessionDirectory, ATokenLeadsToItsSessionUntilItEnds) {
  SessionDirectory directory;
  const auto one = directory.Begin(3);
  const auto two = directory.Begin(4);
  ASSERT_TRUE(one && two);
  EXPECT_NE(one->token, two->token);
  EXPECT_EQ(directory.Find(one->token)->worker, 3u);
  EXPECT_EQ(directory.Find(two->token)->serial, two->serial);
  directory.Move(one->token, 5);
  EXPECT_EQ(directory.Find(one->token)->worker, 5u);
  EXPECT_EQ(directory.Find(one->token)->serial, one->serial);
  directory.End(one->token);
  EXPECT_FALSE(directory.Find(one->token));
  directory.Move(one->token, 6);
  EXPECT_FALSE(directory.Find(one->token)) << "it had ended meanwhile";
  Secret wrong = two->token;
  wrong[15] ^= 1;
  EXPECT_FALSE(directory.Find(wrong));
}

TEST(SessionDirectory, SessionsAndTheirGrantsAreBounded) {
  SessionDirectory directory;
  Secret last{};
  for (std::size_t i = 0; i < SessionDirectory::kMax; ++i) {
    const auto fresh = directory.Begin(0);
    ASSERT_TRUE(fresh);
    last = fresh->token;
  }
  EXPECT_FALSE(directory.Begin(0));
  directory.End(last);
  EXPECT_TRUE(directory.Begin(0));
  directory.Count(0, SessionDirectory::kMaxGrants - 1);
  EXPECT_TRUE(directory.RoomFor(1));
  EXPECT_FALSE(directory.RoomFor(2));
  directory.Count(10, 4);
  EXPECT_EQ(directory.grants(), SessionDirectory::kMaxGrants - 7);
}

}  // namespace
}  // namespace objpool::lease
