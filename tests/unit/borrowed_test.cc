// TypedPool<T>::Borrowed: an object in use that gives itself back.
#include <gtest/gtest.h>

#include <thread>
#include <type_traits>
#include <utility>

#include "pool/typed_pool.h"
#include "tests/support/counted.h"

namespace objpool {
namespace {

using testing::Counted;
using testing::MakeCounted;
using Borrowed = TypedPool<Counted>::Borrowed;

static_assert(!std::is_copy_constructible_v<Borrowed>);
static_assert(std::is_nothrow_move_constructible_v<Borrowed>);
static_assert(std::is_nothrow_move_assignable_v<Borrowed>);

TEST(Borrowed, GoesBackToItsSlotAtTheEnd) {
  int released = 0;
  const auto pool = MakeCounted(released);
  Counted* object = nullptr;
  {
    const Borrowed borrowed = pool->Borrow(1);
    ASSERT_TRUE(borrowed);
    object = borrowed.get();
    borrowed->uses = 7;
    EXPECT_EQ(&*borrowed, object);
    EXPECT_EQ(pool->pool().free(), 4u);
  }
  EXPECT_EQ(pool->pool().Stats(1).pushes, 1u);
  EXPECT_EQ(pool->pool().free(), 5u);
  EXPECT_EQ(pool->Borrow(1).get(), object) << "the warmest one is on top";
  EXPECT_EQ(object->uses, 7u);
}

TEST(Borrowed, IsEmptyWhenThePoolIs) {
  int released = 0;
  const auto pool = MakeCounted(released, 1);
  const Borrowed only = pool->Borrow(0);
  const Borrowed none = pool->Borrow(0);
  EXPECT_TRUE(only);
  EXPECT_FALSE(none);
  EXPECT_EQ(none.get(), nullptr);
  EXPECT_FALSE(Borrowed());
}

TEST(Borrowed, MovesWithItsObject) {
  int released = 0;
  const auto pool = MakeCounted(released);
  Borrowed a = pool->Borrow(0);
  Counted* const object = a.get();
  Borrowed b = std::move(a);
  EXPECT_EQ(b.get(), object);
  EXPECT_EQ(pool->pool().free(), 4u);
  b = pool->Borrow(1);
  EXPECT_EQ(pool->pool().Stats(0).pushes, 1u) << "what is assigned to gives back what it had";
  EXPECT_EQ(pool->pool().free(), 4u);
  b = Borrowed();
  EXPECT_EQ(pool->pool().Stats(1).pushes, 1u);
  EXPECT_EQ(pool->pool().free(), 5u);
}

TEST(Borrowed, ReleaseHandsTheObjectOver) {
  int released = 0;
  const auto pool = MakeCounted(released);
  Counted* handed = nullptr;
  {
    Borrowed borrowed = pool->Borrow(0);
    handed = borrowed.release();
    EXPECT_FALSE(borrowed);
  }
  EXPECT_EQ(pool->pool().free(), 4u);
  std::thread([&] { pool->Push(1, handed); }).join();  // by the owner of another slot
  EXPECT_EQ(pool->pool().Stats(1).pushes, 1u);
  EXPECT_EQ(pool->pool().free(), 5u);
}

TEST(Borrowed, DropGivesTheObjectUp) {
  int released = 0;
  const auto pool = MakeCounted(released);
  {
    Borrowed borrowed = pool->Borrow(0);
    EXPECT_FALSE(borrowed.Drop());
    EXPECT_FALSE(borrowed);
  }
  EXPECT_EQ(pool->pool().free(), 4u);
  EXPECT_TRUE(pool->Fini());
}

TEST(Borrowed, IsDroppedAfterFiniByAnyThread) {
  int released = 0;
  const auto pool = MakeCounted(released);
  Borrowed borrowed = pool->Borrow(0);
  EXPECT_FALSE(pool->Fini());
  std::thread([&] { const Borrowed last = std::move(borrowed); }).join();
  EXPECT_EQ(released, 1);
  EXPECT_EQ(Counted::alive, 0);
}

TEST(Borrowed, IsNothingAfterAForcedRelease) {
  int released = 0;
  const auto pool = MakeCounted(released);
  {
    const Borrowed borrowed = pool->Borrow(0);
    pool->Free();
  }
  EXPECT_EQ(released, 1);
}

}  // namespace
}  // namespace objpool
