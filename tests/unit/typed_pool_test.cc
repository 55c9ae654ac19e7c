#include "pool/typed_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "tests/support/counted.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"

namespace objpool {
namespace {

using testing::Counted;
using testing::FlatSlots;
using testing::MakeCounted;

struct Object {
  uint64_t words[9];
};

TEST(TypedPool, ObjectsBeginZeroedAndAreInitializedOnce) {
  std::vector<int> seen(10);
  std::string why;
  const auto pool = TypedPool<Object>::Create({.capacity = 10,
                                               .slots = FlatSlots(3),
                                               .init =
                                                   [&](Object& object, Handle handle) {
                                                     for (uint64_t w : object.words) {
                                                       EXPECT_EQ(w, 0u);
                                                     }
                                                     object.words[0] = handle + 100;
                                                     ++seen[handle];
                                                     return true;
                                                   },
                                               .release = {}},
                                              why);
  ASSERT_NE(pool, nullptr) << why;
  ASSERT_TRUE(pool->AttachAll());
  EXPECT_EQ(seen, std::vector<int>(10, 1));
  Object* const object = pool->Pop(1);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->words[0], pool->HandleOf(object) + 100u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(object) % 64, 0u);
  object->words[1] = 7;
  pool->Push(1, object);
  EXPECT_EQ(pool->Pop(1)->words[1], 7u) << "the pool never touches an object again";
}

TEST(TypedPool, InitSeesTheObjectsInOrder) {
  std::vector<Handle> order;
  std::string why;
  const auto pool = TypedPool<Object>::Create({.capacity = 1000,
                                               .slots = FlatSlots(3),
                                               .init =
                                                   [&](Object&, Handle handle) {
                                                     order.push_back(handle);
                                                     return true;
                                                   },
                                               .release = {}},
                                              why);
  ASSERT_TRUE(pool != nullptr && pool->AttachAll()) << why;
  std::vector<Handle> rising(1000);
  std::iota(rising.begin(), rising.end(), Handle{0});
  EXPECT_EQ(order, rising);
}

TEST(TypedPool, HasExactlyItsCapacity) {
  for (const uint32_t capacity : {1u, 5u, 64u, 1000u}) {
    std::string why;
    const auto pool = TypedPool<Object>::Create(
        {.capacity = capacity, .slots = FlatSlots(2), .init = {}, .release = {}}, why);
    ASSERT_TRUE(pool != nullptr && pool->AttachAll()) << why;
    std::set<Object*> popped;
    while (Object* const object = pool->Pop(1)) popped.insert(object);
    EXPECT_EQ(popped.size(), capacity);
    for (Object* const object : popped) pool->Push(0, object);
    EXPECT_EQ(pool->pool().free(), capacity);
  }
}

// As large as an object may be. Nobody touches it here.
struct Giant {
  std::byte bytes[ObjectMemory::kMaxSizeBytes];
};

TEST(TypedPool, TakesTheLimitsAndNamesWhatIsBeyond) {
  std::string why;
  const auto create = [&]<typename T>(uint32_t capacity) {
    return TypedPool<T>::Create(
        {.capacity = capacity, .slots = FlatSlots(2), .init = {}, .release = {}}, why);
  };
  EXPECT_NE(create.operator()<char>(kMaxCapacity), nullptr) << why;
  EXPECT_NE(create.operator()<Giant>(2), nullptr) << why;
  EXPECT_EQ(create.operator()<char>(0), nullptr);
  EXPECT_EQ(why, "capacity must be 1 .. 16777216, got 0");
  EXPECT_EQ(create.operator()<char>(kMaxCapacity + 1), nullptr);
  EXPECT_EQ(why, "capacity must be 1 .. 16777216, got 16777217");
  EXPECT_EQ(create.operator()<Giant>(kMaxCapacity), nullptr) << "no machine maps 2^54 bytes";
  EXPECT_EQ(why.substr(0, 30), "mmap of 18014398509481984 byte");
}

TEST(TypedPool, RefusedInitFailsTheAttach) {
  std::string why;
  int released = 0;
  {
    const auto pool =
        TypedPool<Object>::Create({.capacity = 4,
                                   .slots = FlatSlots(1),
                                   .init = [](Object&, Handle handle) { return handle != 2; },
                                   .release = [&] { ++released; }},
                                  why);
    EXPECT_FALSE(pool->AttachAll());
  }
  EXPECT_EQ(released, 1);
}

TEST(TypedPool, FiniReleasesWhenAllIsHome) {
  int released = 0;
  const auto pool = MakeCounted(released);
  EXPECT_EQ(Counted::alive, 5);
  pool->Push(0, pool->Pop(0));
  EXPECT_TRUE(pool->Fini());
  EXPECT_EQ(released, 1);
  EXPECT_EQ(Counted::alive, 0);
  EXPECT_TRUE(pool->released());
}

TEST(TypedPool, LastDropReleasesExactlyOnce) {
  int released = 0;
  const auto pool = MakeCounted(released);
  Counted* const a = pool->Pop(0);
  Counted* const b = pool->Pop(1);
  EXPECT_FALSE(pool->Fini());
  EXPECT_EQ(pool->Pop(0), nullptr) << "a finished pool gives nothing";
  EXPECT_FALSE(pool->Drop(a));
  EXPECT_EQ(released, 0);
  EXPECT_EQ(Counted::alive, 5) << "objects live until the release";
  EXPECT_TRUE(pool->Drop(b));
  EXPECT_EQ(released, 1);
  EXPECT_EQ(Counted::alive, 0);
}

TEST(TypedPool, FreeReleasesByForceOnce) {
  int released = 0;
  {
    const auto pool = MakeCounted(released);
    (void)pool->Pop(0);
    pool->Free();
    pool->Free();
    EXPECT_EQ(released, 1);
    EXPECT_EQ(Counted::alive, 0);
  }
  EXPECT_EQ(released, 1);
}

TEST(TypedPool, OneOfManyThreadsThatDropReleases) {
  constexpr uint32_t kThreads = 8;
  for (int round = 0; round < 50; ++round) {
    int released = 0;
    const auto pool = MakeCounted(released, kThreads);
    std::vector<Counted*> in_use;
    for (uint32_t i = 0; i < kThreads; ++i) in_use.push_back(pool->Pop(0));
    ASSERT_FALSE(pool->Fini());
    std::atomic<int> last = 0;
    testing::RunTeam(kThreads, [&](uint32_t member) {
      in_use[member]->uses = member;
      if (pool->Drop(in_use[member])) last.fetch_add(1);
    });
    ASSERT_EQ(last, 1);
    ASSERT_EQ(released, 1);
    ASSERT_EQ(Counted::alive, 0);
  }
}

TEST(TypedPool, WhatIsDroppedBeforeFiniIsNotWaitedFor) {
  int released = 0;
  const auto pool = MakeCounted(released);
  EXPECT_FALSE(pool->Drop(pool->Pop(0)));
  EXPECT_EQ(pool->pool().free(), 4u);
  EXPECT_EQ(released, 0);
  EXPECT_TRUE(pool->Fini());
  EXPECT_EQ(released, 1);
}

TEST(TypedPool, FiniDoesNotWaitForSlotsThatWereNeverAttached) {
  int released = 0;
  std::string why;
  const auto pool = TypedPool<Counted>::Create(
      {.capacity = 5, .slots = FlatSlots(2), .init = {}, .release = [&] { ++released; }}, why);
  ASSERT_TRUE(pool != nullptr && pool->Attach(1)) << why;
  Counted* const object = pool->Pop(1);
  EXPECT_FALSE(pool->Fini());
  EXPECT_TRUE(pool->Drop(object));
  EXPECT_EQ(released, 1);
  EXPECT_EQ(Counted::alive, 0);
}

TEST(TypedPool, FreeAfterFiniReleasesOnce) {
  int released = 0;
  const auto pool = MakeCounted(released);
  (void)pool->Pop(0);
  EXPECT_FALSE(pool->Fini());
  pool->Free();
  EXPECT_EQ(released, 1);
  EXPECT_TRUE(pool->released());
}

TEST(TypedPoolDeathTest, WhatComesTooLateEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  int released = 0;
  const auto pool = MakeCounted(released);
  Counted* const a = pool->Pop(0);
  Counted* const b = pool->Pop(0);
  EXPECT_FALSE(pool->Fini());
  EXPECT_DEATH(pool->Fini(), "a pool is finished once");
  EXPECT_DEATH((void)pool->Attach(0), "no slot is attached after Fini");
  EXPECT_DEATH(pool->Push(0, a), "after Fini an object is dropped");
  EXPECT_DEATH(pool->Drop(nullptr), "belongs to this memory");
  EXPECT_FALSE(pool->Drop(a));
  EXPECT_TRUE(pool->Drop(b));
  EXPECT_DEATH(pool->Drop(b), "before its pool is released");
}

TEST(TypedPoolDeathTest, ADropTooManyIsCaughtInTheCheckedBuild) {
  if (!kObjpoolChecked) return;
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  int released = 0;
  const auto pool = MakeCounted(released);
  Counted* const dropped = pool->Pop(0);
  EXPECT_FALSE(pool->Drop(dropped));
  EXPECT_DEATH(pool->Drop(dropped), "pushed or dropped once");
  EXPECT_DEATH(pool->Push(0, dropped), "pushed or dropped once");
  Counted* const free = pool->Pop(0);
  pool->Push(0, free);
  EXPECT_DEATH(pool->Drop(free), "pushed or dropped once");
}

TEST(TypedPoolDeathTest, ForeignObjectEndsTheProcess) {
  // A child of fork would be refused for being one.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  int released = 0;
  const auto pool = MakeCounted(released);
  const auto other = MakeCounted(released);
  EXPECT_DEATH(pool->Push(0, other->Pop(0)), "belongs to this memory");
}

}  // namespace
}  // namespace objpool
