#include "pool/typed_pool.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/fake_topology.h"

namespace objpool {
namespace {

using testing::FlatSlots;

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

// Counts how many exist.
struct Counted {
  static inline int alive = 0;
  Counted() { ++alive; }
  ~Counted() { --alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
};

std::unique_ptr<TypedPool<Counted>> MakeCounted(int& released) {
  std::string why;
  auto pool = TypedPool<Counted>::Create(
      {.capacity = 5, .slots = FlatSlots(2), .init = {}, .release = [&] { ++released; }}, why);
  EXPECT_TRUE(pool != nullptr && pool->AttachAll()) << why;
  return pool;
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
