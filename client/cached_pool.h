// CachedPool: handles of one pool, leased ahead in batches and renewed by a Keeper, so that to
// lease and return one here takes nanoseconds and no call.
//
// A thread gives back to and takes from cells of its own (idle_cells.h), then from what all threads
// share, then from the cells of others, and only then from the server: what is idle anywhere here
// is found before a call is made.
//
// Fresh: a handle is given out only while more than a bound of its time is left, so whoever gets it
// has that long to use it without looking; whoever keeps it longer looks at valid(). It is renewed
// while it is out, too. When the server goes away, handles fall below the bound one by one and are
// put aside; those that can be renewed again come back, the others are dropped at their end.
//
// To be fast, the clock of that check is a coarse one, at most 10 ms late. It stops while the
// machine is suspended, and is put right within 100 ms of its waking: until then a handle may be
// given out whose time ran out in the suspension. valid() is exact always.
//
// A handle's fence tells processes apart, not the threads of one: it goes from one local holder to
// the next with the same fence.
//
// Threads: Lease by any number at once; each CachedGrant by one at a time. One thread of its own
// leases ahead and gives back what is idle. All CachedGrants must be gone before their CachedPool,
// and that before its Keeper; its end waits for a call that is on its way, but not for its
// handles to come back, as the Keeper's does. The cells are for 256 threads of a process; any more
// share, at some hundred nanoseconds. Not usable in the child of a fork.
//
// Bounded: max_total handles; idle at most max_idle, what a call leased, and 8 for each thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/grant.h"
#include "client/idle_cells.h"
#include "client/keeper.h"

namespace objpool::client {

struct CachedPoolOptions {
  std::string pool;
  // As in LeaseRequest. A ttl of 0 asks for the pool's default.
  std::string holder{};
  Milliseconds ttl{0};
  // How many are leased in one call; fewer where the pool has not so many. Range: 1 .. 1024.
  uint32_t batch = 64;
  // As many are leased ahead, and kept when nobody uses them. Range: 0 .. max_idle.
  uint32_t min_idle = 16;
  uint32_t max_idle = 256;
  // In use and idle together. Range: 1 and more.
  uint32_t max_total = 1024;
  // What has been idle for so long is given back.
  Milliseconds idle_time{10'000};
  // The bound of what is fresh. Range: 20 ms .. a third of the ttl. Default: 0, a quarter of it.
  Milliseconds least_left{0};
  // Told of every handle that is lost, in use or idle, by the Keeper's thread.
  OnLost on_lost{};
};

class CachedPool;

namespace internal {
struct CachedSlot {
  Grant grant;
  const Deadline* deadline = nullptr;  // the grant's
  LeaseClock::duration least_left{0};
};
}  // namespace internal

// A handle out of a CachedPool, which goes back there at its end.
class CachedGrant {
 public:
  // Holds nothing.
  CachedGrant() = default;
  CachedGrant(CachedGrant&& other) noexcept;
  CachedGrant& operator=(CachedGrant&& other) noexcept;
  ~CachedGrant();

  [[nodiscard]] explicit operator bool() const { return slot_ != nullptr; }
  // As those of Grant.
  [[nodiscard]] const Grant& grant() const { return slot_->grant; }
  [[nodiscard]] const Ref& ref() const { return slot_->grant.ref(); }
  [[nodiscard]] const v1::Grant& value() const { return slot_->grant.value(); }
  [[nodiscard]] bool valid() const { return slot_->grant.valid(); }
  // Gives the handle back to the server in this state, and not to the next one here. Holds nothing
  // afterwards.
  void Discard(v1::Disposition disposition);

 private:
  friend class CachedPool;
  CachedGrant(CachedPool& pool, internal::CachedSlot& slot) : pool_(&pool), slot_(&slot) {}
  CachedPool* pool_ = nullptr;
  internal::CachedSlot* slot_ = nullptr;
};

class CachedPool {
 public:
  CachedPool(Keeper& keeper, CachedPoolOptions options);
  ~CachedPool();
  CachedPool(const CachedPool&) = delete;
  CachedPool& operator=(const CachedPool&) = delete;

  // A fresh handle; where there is none and none can be leased, nothing, and why.
  [[nodiscard]] CachedGrant Lease(Error& why);

  struct Stats {
    std::size_t total = 0;  // leased from the server
    std::size_t aside = 0;  // of these, those that wait to be renewed
    uint64_t fetches = 0;   // calls to lease
  };
  [[nodiscard]] Stats stats() const;

 private:
  friend class CachedGrant;
  using Slot = internal::CachedSlot;
  // A place in slots_, and 1.
  using Number = uint32_t;

  void Return(Slot& slot);
  void Discard(Slot& slot);
  [[nodiscard]] bool Fresh(Number number) const;
  [[nodiscard]] LeaseClock::time_point CoarseNow() const;
  [[nodiscard]] Number NumberOf(const Slot& slot) const;
  [[nodiscard]] CachedGrant Give(Number number) { return {*this, slots_[number - 1]}; }

  // 0: nothing is idle.
  [[nodiscard]] Number TakeShared(uint32_t place);
  [[nodiscard]] Number RobOthers();
  [[nodiscard]] CachedGrant LeaseSlowly(uint32_t place, Error& why);
  void PutShared(uint32_t place, Number number);
  void PutAside(Number number);
  // Of fetch_mutex_: leases up to `count`, and gives the first one of them, or 0.
  [[nodiscard]] Number Fetch(uint32_t count, Error& why);

  void Fill(Slot& slot, Grant grant) const;

  void Run();
  void PublishSuspension();
  void LookAtIdle(std::vector<Grant>& gone);
  void GiveBackIdle(std::vector<Grant>& gone);
  void LeaseAhead();
  // Of mutex_: the slot is free. The grant is to be destroyed without the lock.
  [[nodiscard]] Grant Empty(Number number);

  Keeper& keeper_;
  const CachedPoolOptions options_;
  std::vector<Slot> slots_;  // a slot belongs to whoever has its number
  IdleCells cells_;
  // LeaseClock in front of CLOCK_MONOTONIC: how long the machine was suspended.
  std::atomic<int64_t> suspended_ns_{0};

  std::mutex fetch_mutex_;     // one call at a time; before mutex_
  Error fetch_error_{};        // of the last one
  uint32_t most_ = kMaxBatch;  // that the pool lets a call ask for, as far as is known

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  bool low_ = false;  // fewer than min_idle
  uint64_t fetches_ = 0;
  std::vector<Number> free_;
  std::deque<Number> idle_;     // the back is used first
  std::vector<Number> aside_;   // not fresh
  std::size_t least_idle_ = 0;  // of idle_, since it was last looked at
  std::vector<uint32_t> uses_;  // of the cells, then
  LeaseClock::time_point next_look_{};
  LeaseClock::time_point next_ahead_{};
  uint32_t failed_ahead_ = 0;
  std::thread thread_;  // the last member: it uses all others
};

}  // namespace objpool::client
