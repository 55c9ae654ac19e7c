// The lowest value of the last minute, by a clock that the test sets.
#include "server/service/low_water.h"

#include <gtest/gtest.h>

#include <optional>

namespace objpool::server {
namespace {

constexpr uint64_t kBegin = 1'000'000;  // of a slice

TEST(LowWater, NothingIsKnownAtFirst) {
  const LowWater low;
  EXPECT_EQ(low.Lowest(0), std::nullopt);
  EXPECT_EQ(low.Lowest(kBegin), std::nullopt);
}

TEST(LowWater, TheLowestStaysForAMinuteAndNotForTwo) {
  LowWater low;
  low.Note(64, kBegin);
  low.Note(3, kBegin + 20);
  low.Note(64, kBegin + 40);
  EXPECT_EQ(low.Lowest(kBegin + 40), 3u);
  EXPECT_EQ(low.Lowest(kBegin + 60'020), 3u);
  EXPECT_EQ(low.Lowest(kBegin + 70'000), std::nullopt);
  low.Note(50, kBegin + 65'000);
  EXPECT_EQ(low.Lowest(kBegin + 65'000), 3u);
  EXPECT_EQ(low.Lowest(kBegin + 70'000), 50u);
}

TEST(LowWater, APlaceThatIsUsedAgainForgets) {
  LowWater low;
  low.Note(0, kBegin);
  for (uint64_t after = 0; after <= 70'000; after += 10'000) low.Note(7, kBegin + after);
  EXPECT_EQ(low.Lowest(kBegin + 70'000), 7u);
}

TEST(LowWater, ALateNoteDoesNotTakeThePlaceOfANewerSlice) {
  LowWater low;
  low.Note(9, kBegin + 70'000);
  low.Note(1, kBegin);
  EXPECT_EQ(low.Lowest(kBegin + 70'000), 9u);
}

TEST(LowWater, ReadingChangesNothing) {
  LowWater low;
  low.Note(5, 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(low.Lowest(0), 5u);
}

TEST(LowWater, AReaderWhoseClockIsBehindSeesWhatIsNew) {
  LowWater low;
  low.Note(5, kBegin);
  EXPECT_EQ(low.Lowest(kBegin - 1), 5u);
}

}  // namespace
}  // namespace objpool::server
