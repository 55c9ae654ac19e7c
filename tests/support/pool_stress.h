// The stress of a pool: one body, for every way into it and for what else gives handles out.
//
// Threads pop and push as fast as they can. A cell for each handle says who holds it and traps a
// double grant, and with as many handles as all threads may hold every "none" is a lie.
//
// A thread that gets back what it took needs no other slot than its own: its share is enough. So
// handles are passed on from hand to hand, outside of the pool. Threads of even number pass on many
// and have to steal; those of odd number push what they received.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "pool/pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"

namespace objpool::testing {

// How many times as slow the sanitizers are, about: so many operations fewer are asked for.
inline constexpr uint64_t kSlowness =
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    20;
#else
    1;
#endif

enum class Way : uint8_t {
  kSingles,  // Pool::Pop, Pool::Push
  kBatches,  // Pool::PopBatch, Pool::PushBatch
  kLocal,    // Pool::Local
};

struct StressVariant {
  uint32_t threads = 0;
  uint32_t held = 0;  // at most, by each thread
  Way way = Way::kSingles;
  bool slot_lock = false;
  bool scarce = false;  // threads hold nearly all they may, and so little is free
  uint64_t operations = 200'000 / kSlowness;  // of each thread: calls of pop and of push

  [[nodiscard]] uint32_t capacity() const { return threads * held; }
  friend std::ostream& operator<<(std::ostream& out, const StressVariant& v) {
    constexpr const char* kWays[] = {"singles", "batches", "local"};
    return out << v.threads << " threads hold " << v.held << ", "
               << kWays[static_cast<std::size_t>(v.way)] << (v.slot_lock ? ", slot lock" : "")
               << (v.scarce ? ", scarce" : "");
  }
};

struct StressTally {
  uint64_t operations = 0;
  uint64_t stolen = 0;  // handles, out of other slots
  // What must not happen.
  uint64_t doubled = 0;  // handles that two hands held, or that are none
  uint64_t lost = 0;     // handles that nobody can pop in the end
  uint64_t denied = 0;   // pops that were told "none"

  void Add(const StressTally& other) {
    operations += other.operations;
    stolen += other.stolen;
    doubled += other.doubled;
    lost += other.lost;
    denied += other.denied;
  }
};

// Who holds which handle, and what is passed on. Plain loads and stores on cells side by side:
// locked instructions would hide the fences that a pool lacks, and a store that waits for its line
// makes those of the pool wait behind it. None escapes: where two threads take one handle at once,
// the name of one of them is written over, and it finds that when it gives the handle away. And a
// handle that comes without what its last holder wrote looks as if it were still held.
class Hands {
 public:
  explicit Hands(const StressVariant& v)
      : threads_(v.threads),
        capacity_(v.capacity()),
        holder_(new Cell[capacity_]()),
        passed_to_(new Cell[threads_]()) {}

  // False when somebody else holds it, or when it is none.
  [[nodiscard]] bool Take(Handle handle, uint32_t thread) {
    if (handle >= capacity_ || holder_[handle].load(std::memory_order_relaxed) != 0) return false;
    holder_[handle].store(thread + 1, std::memory_order_relaxed);
    return true;
  }
  // False when somebody else took it too.
  [[nodiscard]] bool Give(Handle handle, uint32_t thread) {
    if (holder_[handle].load(std::memory_order_relaxed) != thread + 1) return false;
    holder_[handle].store(0, std::memory_order_relaxed);
    return true;
  }

  // Whether the next thread has received what was last passed on to it.
  [[nodiscard]] bool CanPass(uint32_t thread) const {
    return passed_to_[(thread + 1) % threads_].load(std::memory_order_acquire) == 0;
  }
  void Pass(Handle handle, uint32_t thread) {
    passed_to_[(thread + 1) % threads_].store(handle + 1, std::memory_order_release);
  }
  // What was passed on to this thread, or kNoHandle.
  [[nodiscard]] Handle Receive(uint32_t thread) {
    const uint32_t cell = passed_to_[thread].load(std::memory_order_acquire);
    if (cell == 0) return kNoHandle;
    passed_to_[thread].store(0, std::memory_order_release);
    return cell - 1;
  }

 private:
  using Cell = std::atomic<uint32_t>;  // a thread or a handle, plus 1, or 0
  const uint32_t threads_;
  const uint32_t capacity_;
  const std::unique_ptr<Cell[]> holder_;     // by handle
  const std::unique_ptr<Cell[]> passed_to_;  // by thread
};

// The ways into a pool that a thread has. Pop gives as many handles as `out` has room for, or at
// least `least`, or none.
struct Singles {
  Pool& pool;
  SlotId slot;
  uint32_t Pop(std::span<Handle> out, uint32_t) {
    out[0] = pool.Pop(slot);
    return out[0] == kNoHandle ? 0 : 1;
  }
  void Push(std::span<const Handle> handles) { pool.Push(slot, handles[0]); }
};
struct Batches {
  Pool& pool;
  SlotId slot;
  uint32_t Pop(std::span<Handle> out, uint32_t least) { return pool.PopBatch(slot, out, least); }
  void Push(std::span<const Handle> handles) { pool.PushBatch(slot, handles); }
};
struct Locals {
  Pool::Local local;
  uint32_t Pop(std::span<Handle> out, uint32_t) {
    out[0] = local.Pop();
    return out[0] == kNoHandle ? 0 : 1;
  }
  void Push(std::span<const Handle> handles) { local.Push(handles[0]); }
};

// The work of one thread.
template <typename WayIn>
class Churn {
 public:
  Churn(WayIn pool, Hands& hands, const StressVariant& v, uint32_t thread)
      : pool_(pool), hands_(hands), v_(v), thread_(thread), random_(thread + 1), room_(v.held) {}

  // Ends with empty hands.
  StressTally Run() {
    const uint32_t pops_of_16 = v_.scarce ? 14 : 8;
    const uint32_t passes_of_16 = thread_ % 2 == 0 ? 8 : 1;
    while (tally_.operations < v_.operations) {
      const auto bits = static_cast<uint32_t>(random_());
      // Where threads are more than CPUs they take turns.
      if (bits % 32 == 0) std::this_thread::yield();
      const bool can_pass = v_.held > 1 && hands_.CanPass(thread_);
      const uint32_t most = can_pass || v_.held == 1 ? v_.held : v_.held - 1;
      if (held_ < most) Receive();
      const uint32_t want = v_.way == Way::kBatches ? 1 + ((bits >> 8) % most) : 1;
      if (held_ == 0 || (held_ + want <= most && (bits >> 16) % 16 < pops_of_16)) {
        Pop(want, (bits >> 8) % 2 == 0 ? want : 1);
      } else if (can_pass && (bits >> 20) % 16 < passes_of_16) {
        Give(1);
        hands_.Pass(room_[held_], thread_);
      } else {
        Push(std::min(want, held_));
      }
    }
    while (held_ != 0) Push(v_.way == Way::kBatches ? held_ : 1);
    return tally_;
  }

 private:
  // A handle that it must not have it does not keep.
  void Take(Handle handle) {
    if (hands_.Take(handle, thread_)) {
      room_[held_++] = handle;
    } else {
      ++tally_.doubled;
    }
  }
  void Give(uint32_t count) {
    for (; count != 0; --count) {
      if (!hands_.Give(room_[--held_], thread_)) ++tally_.doubled;
    }
  }
  void Receive() {
    if (const Handle handle = hands_.Receive(thread_); handle != kNoHandle) Take(handle);
  }
  void Pop(uint32_t want, uint32_t least) {
    const std::span<Handle> out{room_.data() + held_, want};
    const uint32_t got = pool_.Pop(out, least);
    if (got == 0) ++tally_.denied;
    for (const Handle handle : out.first(got)) Take(handle);
    ++tally_.operations;
  }
  void Push(uint32_t count) {
    Give(count);
    pool_.Push({room_.data() + held_, count});
    ++tally_.operations;
  }

  WayIn pool_;
  Hands& hands_;
  const StressVariant& v_;
  const uint32_t thread_;
  std::minstd_rand random_;
  std::vector<Handle> room_;
  uint32_t held_ = 0;
  StressTally tally_;
};

// Runs a team whose ways in are `way_in(thread)`, and then counts what is left.
template <typename WayIn>
StressTally Stress(const StressVariant& v, WayIn way_in) {
  Hands hands(v);
  std::vector<StressTally> tallies(v.threads);
  RunTeam(v.threads, [&](uint32_t t) { tallies[t] = Churn(way_in(t), hands, v, t).Run(); });
  StressTally sum;
  for (const StressTally& tally : tallies) sum.Add(tally);

  std::vector<bool> seen(v.capacity());
  const auto see = [&](Handle handle) {
    if (handle >= v.capacity() || seen[handle]) {
      ++sum.doubled;
    } else {
      seen[handle] = true;
    }
  };
  for (uint32_t t = 0; t < v.threads; ++t) {
    if (const Handle handle = hands.Receive(t); handle != kNoHandle) see(handle);
  }
  auto pool = way_in(0);
  Handle handle = kNoHandle;
  // A broken pool might give for ever.
  for (uint32_t most = 2 * v.capacity(); most != 0 && pool.Pop({&handle, 1}, 1) != 0; --most) {
    see(handle);
  }
  sum.lost += static_cast<uint64_t>(std::ranges::count(seen, false));
  return sum;
}

// Runs the variant on a pool of its own and expects that nothing is amiss.
inline StressTally StressPool(const StressVariant& v) {
  std::string why;
  const auto pool = Pool::Create(
      {.capacity = v.capacity(), .slots = FlatSlots(v.threads), .slot_lock = v.slot_lock}, why);
  EXPECT_NE(pool, nullptr) << why;
  if (pool == nullptr) return {};
  pool->AttachAll();
  const auto stress = [&](auto way_in) {
    return Stress(v, [&](uint32_t t) {
      pool->Adopt(t);
      return way_in(t);
    });
  };
  StressTally sum;
  switch (v.way) {
    case Way::kSingles:
      sum = stress([&](SlotId slot) { return Singles{*pool, slot}; });
      break;
    case Way::kBatches:
      sum = stress([&](SlotId slot) { return Batches{*pool, slot}; });
      break;
    case Way::kLocal:
      sum = stress([&](SlotId slot) { return Locals{pool->At(slot)}; });
      break;
  }
  for (SlotId slot = 0; slot < v.threads; ++slot) {
    for (const uint64_t stolen : pool->Stats(slot).stolen_by) sum.stolen += stolen;
  }
  EXPECT_EQ(pool->free(), 0u) << v;
  EXPECT_EQ(sum.doubled, 0u) << v;
  EXPECT_EQ(sum.lost, 0u) << v;
  EXPECT_EQ(sum.denied, 0u) << v;
  EXPECT_GT(sum.stolen, 0u) << v;
  return sum;
}

}  // namespace objpool::testing
