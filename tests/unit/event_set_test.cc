// EventSet: what comes is told, the tick too; and before it sleeps it looks, for as long as it was
// told. That it slept is the kernel's to say: it counts how often a thread gave up its CPU.
#include "server/rpc/event_set.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "server/rpc/boot_clock.h"

namespace objpool::rpc {
namespace {

using std::chrono::microseconds;

constexpr uint64_t kTag = 77;
constexpr BootNs kMs = 1'000'000;

int64_t Sleeps() {
  rusage usage{};
  EXPECT_EQ(getrusage(RUSAGE_THREAD, &usage), 0);
  return usage.ru_nvcsw;
}

std::vector<uint64_t> Tags(const EventSet& set) {
  std::vector<uint64_t> tags;
  for (const epoll_event& event : set.events()) tags.push_back(event.data.u64);
  return tags;
}

class EventSetTest : public testing::Test {
 protected:
  ~EventSetTest() override { close(fd_); }

  // Waits for what another thread writes some milliseconds later; how often this one sleeps. (Where
  // it was kept from its CPU for that long, not at all.)
  int64_t SleepsUntilWritten(EventSet& set) {
    EXPECT_TRUE(set.Open());
    EXPECT_TRUE(set.Add(fd_, {.u64 = kTag}));
    std::thread writer([this, at = BootNow() + (30 * kMs)] {
      while (BootNow() < at) std::this_thread::yield();
      EXPECT_EQ(eventfd_write(fd_, 1), 0);
    });
    set.NoteServed(BootNow());
    const int64_t before = Sleeps();
    set.Wait(-1, BootNow());
    const int64_t sleeps = Sleeps() - before;
    EXPECT_EQ(Tags(set), std::vector<uint64_t>{kTag});
    writer.join();
    return sleeps;
  }

  bool SleepsSometimes(microseconds busy_poll) {
    constexpr int kTries = 20;
    bool slept = false;
    for (int i = 0; i < kTries && !slept; ++i) {
      EventSet set{busy_poll};
      slept = SleepsUntilWritten(set) >= 1;
      eventfd_t written = 0;
      EXPECT_EQ(eventfd_read(fd_, &written), 0);
    }
    return slept;
  }

  const int fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
};

TEST_F(EventSetTest, SleepsUntilSomethingComes) { EXPECT_TRUE(SleepsSometimes(microseconds(0))); }

TEST_F(EventSetTest, LooksWithoutSleepingAfterItServed) {
  EventSet set{std::chrono::minutes(1)};
  EXPECT_EQ(SleepsUntilWritten(set), 0);
}

TEST_F(EventSetTest, SleepsWhenItHasLookedForLongEnough) {
  EXPECT_TRUE(SleepsSometimes(microseconds(100)));
}

TEST_F(EventSetTest, TellsTheTickUntilItIsSetAnew) {
  EventSet set{microseconds(0)};
  ASSERT_TRUE(set.Open());
  const BootNs at = BootNow() + (5 * kMs);
  set.SetTick(at);
  EXPECT_EQ(set.tick(), at);
  for (int i = 0; i < 2; ++i) {
    set.Wait(-1, BootNow());
    EXPECT_EQ(Tags(set), std::vector<uint64_t>{EventSet::kTick});
    EXPECT_GE(BootNow(), at);
  }
  set.SetTick(BootNow() + (3'600'000 * kMs));
  set.Wait(0, BootNow());
  EXPECT_TRUE(set.events().empty());
  set.SetTick(1);  // long ago
  set.Wait(-1, BootNow());
  EXPECT_EQ(Tags(set), std::vector<uint64_t>{EventSet::kTick});
}

TEST_F(EventSetTest, IsWokenOnceByManyAndThenAgain) {
  EventSet set{microseconds(0)};
  ASSERT_TRUE(set.Open());
  for (int i = 0; i < 2; ++i) {
    std::thread other([&set] {
      set.Wake();
      set.Wake();
    });
    set.Wait(-1, BootNow());
    other.join();
    EXPECT_EQ(Tags(set), std::vector<uint64_t>{EventSet::kWake});
    set.ClearWake();
    set.Wait(0, BootNow());
    EXPECT_TRUE(set.events().empty());
  }
}

TEST_F(EventSetTest, TellsOfASocketWhatItIsToldTo) {
  EventSet set{microseconds(0)};
  ASSERT_TRUE(set.Open());
  ASSERT_TRUE(set.Add(fd_, {.u64 = kTag}));
  EXPECT_FALSE(set.Add(fd_, {.u64 = kTag})) << "it is there";
  set.Wait(1, BootNow());
  EXPECT_TRUE(set.events().empty());
  set.Change(fd_, {.u64 = kTag + 1}, EPOLLOUT);
  set.Wait(-1, BootNow());
  EXPECT_EQ(Tags(set), std::vector<uint64_t>{kTag + 1});
  set.Remove(fd_);
  set.Wait(0, BootNow());
  EXPECT_TRUE(set.events().empty());
}

}  // namespace
}  // namespace objpool::rpc
