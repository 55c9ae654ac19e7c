// Goal: one server has a folder at a time, and the lease clock never goes back and never runs
// ahead, whatever became of the machine in between. Method: boots and times are made up; files are
// real.
#include "server/store/state_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tests/support/temp_folder.h"

namespace objpool::store {
namespace {

using ::testing::HasSubstr;
using testing::ReadAll;
using testing::TempFolder;
using testing::WriteAll;

constexpr BootId kMonday = {"monday"};
constexpr BootId kTuesday = {"tuesday"};

std::unique_ptr<StateDir> OpenAt(const TempFolder& folder, const BootId& boot, uint64_t boot_ms) {
  std::string why;
  auto dir = StateDir::Open(folder / "state", boot, boot_ms, why);
  EXPECT_NE(dir, nullptr) << why;
  return dir;
}

uint64_t LeaseTime(const StateDir& dir, uint64_t boot_ms) {
  return boot_ms + dir.clock_offset_ms();
}

TEST(StateDir, TheClockGoesOnWithinABootAsIfNothingHadHappened) {
  const TempFolder folder;
  const uint64_t before = LeaseTime(*OpenAt(folder, kMonday, 5000), 5000);
  EXPECT_EQ(LeaseTime(*OpenAt(folder, kMonday, 9000), 9000), before + 4000);
}

TEST(StateDir, TheClockStandsStillWhileTheMachineIsDown) {
  const TempFolder folder;
  auto dir = OpenAt(folder, kMonday, 5000);
  dir->Beat(70'000);
  const uint64_t seen = LeaseTime(*dir, 70'000);
  dir.reset();
  // Also where the next machine has been up for a year.
  dir = OpenAt(folder, kTuesday, 31'536'000'000);
  EXPECT_EQ(LeaseTime(*dir, 31'536'000'000), seen);
  dir->Beat(31'536'001'000);
  dir.reset();
  dir = OpenAt(folder, kMonday, 300);
  EXPECT_EQ(LeaseTime(*dir, 300), seen + 1000);
}

TEST(StateDir, AnUnknownBootIsAnotherBootEachTime) {
  const TempFolder folder;
  auto dir = OpenAt(folder, BootId{}, 5000);
  dir->Beat(6000);
  const uint64_t seen = LeaseTime(*dir, 6000);
  dir.reset();
  EXPECT_EQ(LeaseTime(*OpenAt(folder, BootId{}, 9000), 9000), seen);
}

TEST(StateDir, ABootWithoutACleanStopBeforeItHasAGrace) {
  const TempFolder folder;
  constexpr uint64_t kTtlMax = 60'000;
  std::string why;
  auto dir = OpenAt(folder, kMonday, 1000);
  EXPECT_EQ(dir->GraceUntil(kTtlMax), 0u) << "nothing was there before";
  ASSERT_TRUE(dir->Close(2000, why)) << why;
  dir.reset();
  dir = OpenAt(folder, kTuesday, 10);
  EXPECT_EQ(dir->GraceUntil(kTtlMax), 0u) << "the stop was clean";
  dir->Beat(3000);
  const uint64_t seen = LeaseTime(*dir, 3000);
  dir.reset();
  dir = OpenAt(folder, kTuesday, 4000);
  EXPECT_EQ(dir->GraceUntil(kTtlMax), 0u) << "killed, but the machine kept what was stored";
  dir->Beat(5000);
  dir.reset();
  dir = OpenAt(folder, kMonday, 70);
  EXPECT_EQ(dir->GraceUntil(kTtlMax), seen + 2000 + kTtlMax + 1);
  dir.reset();
  dir = OpenAt(folder, kMonday, 80);
  EXPECT_EQ(dir->GraceUntil(kTtlMax), seen + 2000 + kTtlMax + 1) << "a restart does not end it";
}

TEST(StateDir, TwoServersCannotShareOne) {
  const TempFolder folder;
  const auto dir = OpenAt(folder, kMonday, 1000);
  std::string why;
  EXPECT_EQ(StateDir::Open(folder / "state", kMonday, 1000, why), nullptr);
  EXPECT_THAT(why, HasSubstr("state/lock: is held by process"));
}

TEST(StateDir, ADamagedOrMissingClockIsRefused) {
  const TempFolder folder;
  OpenAt(folder, kMonday, 1000);
  const std::string path = folder / "state/clock";
  const std::string sound = ReadAll(path);
  std::string why;
  WriteAll(path, std::string(sound.size(), '\0'));
  EXPECT_EQ(StateDir::Open(folder / "state", kMonday, 1000, why), nullptr);
  EXPECT_THAT(why, HasSubstr("state/clock: is damaged"));
  WriteAll(path, sound.substr(1));
  EXPECT_EQ(StateDir::Open(folder / "state", kMonday, 1000, why), nullptr);
  EXPECT_THAT(why, HasSubstr("must be a file of 4096 bytes, but has 4095"));
  WriteAll(folder / "state/ids.pool", "");
  std::filesystem::remove(path);
  EXPECT_EQ(StateDir::Open(folder / "state", kMonday, 1000, why), nullptr);
  EXPECT_THAT(why, HasSubstr("state/clock: is missing"));
}

TEST(StateDir, AClockThatWasBeingWrittenIsTheOneBefore) {
  const TempFolder folder;
  auto dir = OpenAt(folder, kMonday, 1000);
  dir->Beat(50'000);
  dir->Beat(51'000);
  dir.reset();
  const std::string path = folder / "state/clock";
  const std::string sound = ReadAll(path);
  for (const std::size_t copy : {0u, 1024u}) {
    std::string torn = sound;
    torn[copy + 20] = static_cast<char>(torn[copy + 20] ^ 1);
    WriteAll(path, torn);
    const uint64_t time = LeaseTime(*OpenAt(folder, kTuesday, 7), 7);
    EXPECT_TRUE(time == 50'000 || time == 51'000) << time;
  }
}

TEST(StateDir, NoticesThatItWasDeleted) {
  const TempFolder folder;
  const auto dir = OpenAt(folder, kMonday, 1000);
  EXPECT_FALSE(dir->gone());
  std::filesystem::remove_all(dir->path());
  EXPECT_TRUE(dir->gone());
}

TEST(StateDir, SaysWhyItCannotBeMade) {
  const TempFolder folder;
  std::string why;
  EXPECT_EQ(StateDir::Open(folder / "no/such", kMonday, 0, why), nullptr);
  EXPECT_THAT(why, HasSubstr("no/such: cannot make: No such file or directory"));
}

TEST(StateDir, TheKernelSaysWhichBootThisIs) {
  EXPECT_EQ(CurrentBoot(), CurrentBoot());
  EXPECT_NE(CurrentBoot(), BootId{});
}

}  // namespace
}  // namespace objpool::store
