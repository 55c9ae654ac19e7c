// Goal: the pool keeps its promises when threads stop in the midst of anything, and when they move
// from CPU to CPU.
// Method: owners and thieves are stopped by a signal at whatever instruction they are, some
// milliseconds at a time, while the others go on; and their affinity is changed under them. Handles
// are passed on from hand to hand, so that half of the threads have to steal (tests/support's
// pool_stress.h, which also says how a double grant is trapped). With `capacity == threads x most
// held` every "none" is a lie.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "pool/affinity.h"
#include "pool/pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/pool_stress.h"

namespace objpool {
namespace {

// Stands still until a byte comes, whatever the thread was doing.
int stop_pipe[2];
void StandStill(int) {
  const int error = errno;
  char byte = 0;
  while (read(stop_pipe[0], &byte, 1) < 0 && errno == EINTR) {
  }
  errno = error;
}

class PoolStop : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr uint32_t kThreads = 6;
  static constexpr uint32_t kHeld = 4;
  static constexpr uint32_t kCapacity = kThreads * kHeld;

  void SetUp() override {
    ASSERT_EQ(pipe(stop_pipe), 0);
    struct sigaction action {};
    action.sa_handler = StandStill;
    ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
    std::string why;
    pool_ = Pool::Create(
        {.capacity = kCapacity, .slots = testing::FlatSlots(kThreads), .slot_lock = GetParam()},
        why);
    ASSERT_NE(pool_, nullptr) << why;
    pool_->AttachAll();
  }
  void TearDown() override {
    close(stop_pipe[0]);
    close(stop_pipe[1]);
  }

  void Work(uint32_t slot) {
    std::minstd_rand random(slot + 1);
    std::vector<Handle> held;
    const bool passes = slot % 2 == 0;
    while (!done_.load(std::memory_order_relaxed)) {
      ops_.fetch_add(1, std::memory_order_relaxed);
      // What was passed on and not received counts as held.
      const bool has_room = held.size() + (hands_.CanPass(slot) ? 0 : 1) < kHeld;
      if (has_room && random() % 2 == 0) {
        const Handle received = hands_.Receive(slot);
        const Handle handle = received == kNoHandle ? pool_->Pop(slot) : received;
        if (handle == kNoHandle) {
          ++denied_;
        } else if (!hands_.Take(handle, slot)) {
          ++doubled_;
        } else {
          held.push_back(handle);
        }
      } else if (!held.empty()) {
        if (!hands_.Give(held.back(), slot)) ++doubled_;
        if (passes && hands_.CanPass(slot)) {
          hands_.Pass(held.back(), slot);
        } else {
          pool_->Push(slot, held.back());
        }
        held.pop_back();
      }
    }
    for (const Handle handle : held) {
      if (!hands_.Give(handle, slot)) ++doubled_;
      pool_->Push(slot, handle);
    }
  }

  void Start() {
    for (uint32_t t = 0; t < kThreads; ++t) threads_.emplace_back([this, t] { Work(t); });
  }
  // Waits until the threads have done so many more operations: what a test waits for is progress.
  void WaitForOps(uint64_t count) const {
    const uint64_t goal = ops_.load() + count;
    while (ops_.load() < goal) std::this_thread::yield();
  }
  void FinishAndCheck() {
    done_ = true;
    for (std::thread& thread : threads_) thread.join();
    EXPECT_EQ(doubled_, 0u);
    EXPECT_EQ(denied_, 0u);
    pool_->Adopt(0);
    uint64_t stolen = 0;
    for (uint32_t t = 0; t < kThreads; ++t) {
      if (const Handle left = hands_.Receive(t); left != kNoHandle) pool_->Push(0, left);
      for (const uint64_t count : pool_->Stats(t).stolen_by) stolen += count;
    }
    EXPECT_GT(stolen, 0u);
    EXPECT_EQ(pool_->free(), kCapacity);
    std::set<Handle> all;
    for (Handle h = pool_->Pop(0); h != kNoHandle; h = pool_->Pop(0)) all.insert(h);
    EXPECT_EQ(all.size(), kCapacity);
  }

  std::unique_ptr<Pool> pool_;
  std::vector<std::thread> threads_;
  std::atomic<bool> done_{false};
  std::atomic<uint64_t> ops_{0}, denied_{0}, doubled_{0};
  testing::Hands hands_{{.threads = kThreads, .held = kHeld}};
};

TEST_P(PoolStop, ThreadsThatStandStillAnywhereBreakNothing) {
  Start();
  std::minstd_rand random(7);
  for (int round = 0; round < 100; ++round) {
    pthread_kill(threads_[random() % kThreads].native_handle(), SIGUSR1);
    pthread_kill(threads_[random() % kThreads].native_handle(), SIGUSR1);
    // Who stands still may hold what another one waits for, so progress is not owed for ever: the
    // others get a moment, then all go on.
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
    ASSERT_EQ(write(stop_pipe[1], "..", 2), 2);
    WaitForOps(200);
  }
  FinishAndCheck();
}

TEST_P(PoolStop, OwnersThatMoveFromCpuToCpuBreakNothing) {
  const std::vector<uint32_t> cpus = AllowedCpus();
  Start();
  std::minstd_rand random(11);
  for (int round = 0; round < 400; ++round) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(cpus[random() % cpus.size()], &mask);
    ASSERT_EQ(
        pthread_setaffinity_np(threads_[random() % kThreads].native_handle(), sizeof mask, &mask),
        0);
    WaitForOps(20);
  }
  FinishAndCheck();
}

INSTANTIATE_TEST_SUITE_P(Engines, PoolStop, ::testing::Bool(),
                         [](const auto& engine) { return engine.param ? "SlotLock" : "Biased"; });

}  // namespace
}  // namespace objpool
