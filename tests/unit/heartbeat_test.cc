// When a service manager is told that all is well, and when it is not.
#include "server/heartbeat.h"

#include <gtest/gtest.h>

#include <vector>

namespace objpool::server {
namespace {

using std::chrono::milliseconds;

class HeartbeatTest : public ::testing::Test {
 protected:
  // How many beats a Tick makes.
  int Tick(milliseconds at) {
    const int before = beats_;
    heartbeat_.Tick(Heartbeat::Clock::time_point(at));
    return beats_ - before;
  }

  std::vector<uint64_t> turns_ = {0, 0};
  int beats_ = 0;
  Heartbeat heartbeat_{milliseconds(400), [this] { return turns_; }, [this] { ++beats_; }};
};

TEST_F(HeartbeatTest, BeatsAtOnceAndThenFourTimesAsOftenAsItMust) {
  EXPECT_EQ(heartbeat_.period(), milliseconds(100));
  EXPECT_EQ(Tick(milliseconds(1)), 1);
  turns_ = {1, 1};
  EXPECT_EQ(Tick(milliseconds(100)), 0);
  EXPECT_EQ(Tick(milliseconds(101)), 1);
}

TEST_F(HeartbeatTest, AWorkerThatHangsStopsItUntilItMovesAgain) {
  EXPECT_EQ(Tick(milliseconds(0)), 1);
  for (int i = 1; i < 20; ++i) {
    turns_[0] += 7;
    EXPECT_EQ(Tick(milliseconds(100 * i)), 0);
  }
  turns_[1] += 1;
  EXPECT_EQ(Tick(milliseconds(1910)), 1);
}

TEST_F(HeartbeatTest, WorkersMayEnd) {
  EXPECT_EQ(Tick(milliseconds(0)), 1);
  heartbeat_.LetWorkersEnd();
  EXPECT_EQ(Tick(milliseconds(99)), 0);
  EXPECT_EQ(Tick(milliseconds(100)), 1);
  EXPECT_EQ(Tick(milliseconds(200)), 1);
}

TEST(Heartbeat, NobodyWatches) {
  int beats = 0;
  Heartbeat heartbeat(
      std::nullopt, [] { return std::vector<uint64_t>{}; }, [&] { ++beats; });
  heartbeat.Tick(Heartbeat::Clock::time_point(milliseconds(0)));
  EXPECT_EQ(beats, 0);
  EXPECT_EQ(heartbeat.period(), std::nullopt);
}

}  // namespace
}  // namespace objpool::server
