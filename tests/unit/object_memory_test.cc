#include "pool/object_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "tests/support/fake_topology.h"

namespace objpool {
namespace {

TEST(ObjectMemory, NamesTheOptionThatIsWrong) {
  std::string why;
  const auto slots = testing::FlatSlots(1);
  EXPECT_EQ(ObjectMemory::Create({.capacity = 1, .size_bytes = 0, .slots = slots}, why), nullptr);
  EXPECT_EQ(why, "size_bytes must be 1 .. 1073741824, got 0");
  EXPECT_EQ(ObjectMemory::Create({.capacity = 0, .size_bytes = 1, .slots = slots}, why), nullptr);
  EXPECT_EQ(why, "capacity must be 1 .. 16777216, got 0");
  EXPECT_EQ(
      ObjectMemory::Create({.capacity = 1, .size_bytes = 1, .alignment = 3, .slots = slots}, why),
      nullptr);
  EXPECT_EQ(why.substr(0, 29), "alignment must be a power of ");
}

TEST(ObjectMemory, GivesEachObjectItsOwnPlaceOnItsNode) {
  const auto slots = SlotMap::ForAllCpus(testing::FakeMachine(2, 1, 2, 1));
  std::string why;
  const auto memory = ObjectMemory::Create(
      {.capacity = 100, .size_bytes = 1000, .shared = true, .slots = slots}, why);
  ASSERT_NE(memory, nullptr) << why;
  for (SlotId s = 0; s < slots->slots(); ++s) ASSERT_TRUE(memory->Attach(s));
  for (uint32_t h = 0; h < 100; ++h) {
    EXPECT_EQ(memory->node(h), h < 50 ? 0u : 1u);
    EXPECT_EQ(memory->HandleOf(memory->at(h)), h);
    EXPECT_EQ(static_cast<int>(*memory->at(h)), 0);
    std::memset(memory->at(h), static_cast<int>(h), 1000);
  }
  for (uint32_t h = 0; h < 100; ++h) {
    EXPECT_EQ(static_cast<uint32_t>(*memory->at(h)), h);
    EXPECT_EQ(static_cast<uint32_t>(memory->at(h)[999]), h) << "objects overlap";
  }
  EXPECT_STREQ(memory->placement(), "first_touch");
}

TEST(ObjectMemory, ScrubsExactlyTheBytesThatItIsAskedFor) {
  constexpr std::size_t kSize = 1000;
  std::string why;
  const auto memory = ObjectMemory::Create(
      {.capacity = 3, .size_bytes = kSize, .slots = testing::FlatSlots(1)}, why);
  ASSERT_NE(memory, nullptr) << why;
  ASSERT_TRUE(memory->Attach(0));
  for (uint32_t h = 0; h < 3; ++h) std::memset(memory->at(h), 0xff, kSize);
  const auto ones = [&](uint32_t h) {
    return std::count(memory->at(h), memory->at(h) + kSize, std::byte{0xff});
  };
  memory->Scrub(1, 10, 0);
  EXPECT_EQ(ones(1), 1000);
  memory->Scrub(1, 10, 100);
  EXPECT_EQ(ones(1), 900);
  EXPECT_EQ(memory->at(1)[9], std::byte{0xff});
  EXPECT_EQ(memory->at(1)[10], std::byte{0});
  EXPECT_EQ(memory->at(1)[109], std::byte{0});
  EXPECT_EQ(memory->at(1)[110], std::byte{0xff});
  memory->Scrub(1, 0, kSize);
  memory->Scrub(1, kSize, 0);
  EXPECT_EQ(ones(1), 0);
  EXPECT_EQ(ones(0), 1000) << "neighbours are left alone";
  EXPECT_EQ(ones(2), 1000);
  EXPECT_DEATH(memory->Scrub(1, kSize - 1, 2), "within its size");
  EXPECT_DEATH(memory->Scrub(1, kSize + 1, 0), "within its size");
}

TEST(ObjectMemory, SaysWherePagesReallyAre) {
  std::string why;
  const auto memory = ObjectMemory::Create(
      {.capacity = 64, .size_bytes = 1 << 16, .slots = testing::FlatSlots(2)}, why);
  ASSERT_NE(memory, nullptr) << why;
  ASSERT_TRUE(memory->Attach(0));
  const auto pages = memory->LookAtPages();
  ASSERT_EQ(pages.size(), 1u);
  if (pages[0].known == 0) GTEST_SKIP() << "the kernel does not say";
  // Half of it was touched, give or take a huge page.
  EXPECT_GE(pages[0].known, ObjectMemory::kMaxPagesAsked / 2 - 8);
  EXPECT_LE(pages[0].on_node, pages[0].known);
}

TEST(ObjectMemory, TakesAGigabyteObjectWithoutTouchingIt) {
  std::string why;
  const auto memory = ObjectMemory::Create({.capacity = 2,
                                            .size_bytes = ObjectMemory::kMaxSizeBytes,
                                            .shared = true,
                                            .slots = testing::FlatSlots(1)},
                                           why);
  ASSERT_NE(memory, nullptr) << why;
  EXPECT_EQ(memory->at(1) - memory->at(0), std::ptrdiff_t{1} << 30);
}

}  // namespace
}  // namespace objpool
