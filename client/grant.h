// Grant: one leased handle as a value. It is renewed by its Keeper for as long as it lives, says
// when it is lost, and gives the handle back when it is destroyed.
//
// One handle, not one LeaseResponse: handles of one lease are lost one by one (revoked) and handed
// on one by one, and what renews them sends them in batches anyway.
//
// Time is counted on this side (LeaseClock), from when the request that was answered was sent: the
// server's time of the grant begins no earlier, so valid() ends no later than the grant, as far as
// the two clocks run at one speed. What was lost is never valid again.
//
// Threads: one at a time for each Grant, but valid(), left() and ref() may be called by any number
// beside each other. Not usable in the child of a fork.
#pragma once

#include <atomic>
#include <cstdint>

#include "client/client.h"
#include "client/lease_clock.h"

namespace objpool::client {

class Keeper;
struct Kept;

// When a grant ends by this side's clock, in nanoseconds of LeaseClock; 0 once it is lost. Whether
// it is renewed or lost is one decision: one compare-exchange from what it was.
class Deadline {
 public:
  explicit Deadline(LeaseClock::time_point end) : ns_(Ns(end)) {}

  [[nodiscard]] LeaseClock::time_point end() const {
    return LeaseClock::time_point(std::chrono::nanoseconds(ns_.load(std::memory_order_acquire)));
  }
  // Whoever sees that it has passed makes sure that it stays so.
  [[nodiscard]] bool RunsAt(LeaseClock::time_point now) {
    int64_t seen = ns_.load(std::memory_order_acquire);
    while (seen != 0 && seen <= Ns(now)) {
      if (ns_.compare_exchange_weak(seen, 0, std::memory_order_acq_rel)) return false;
    }
    return seen != 0;
  }
  // False where it had passed before `now`, or was lost.
  [[nodiscard]] bool Move(LeaseClock::time_point end, LeaseClock::time_point now) {
    int64_t seen = ns_.load(std::memory_order_acquire);
    while (seen > Ns(now)) {
      if (ns_.compare_exchange_weak(seen, Ns(end), std::memory_order_acq_rel)) return true;
    }
    return false;
  }
  void Lose() { ns_.store(0, std::memory_order_release); }

 private:
  static int64_t Ns(LeaseClock::time_point time) { return time.time_since_epoch().count(); }
  std::atomic<int64_t> ns_;
};

class Grant {
 public:
  // Holds nothing.
  Grant() = default;
  Grant(Grant&& other) noexcept;
  Grant& operator=(Grant&& other) noexcept;
  // Gives it back without waiting: its Keeper does it, and goes on trying while the grant runs. If
  // on_lost is being called for this grant, waits for its end.
  ~Grant();

  // Whether it holds something, be it lost or not. All below need that.
  [[nodiscard]] explicit operator bool() const { return kept_ != nullptr; }
  [[nodiscard]] const Ref& ref() const;
  // The id, the label or the place of the buffer.
  [[nodiscard]] const v1::Grant& value() const;
  // Whether the handle may be used now. Where it must never be used too late, look at left() and at
  // how long the use takes, and show the fence to what is used.
  [[nodiscard]] bool valid() const;
  [[nodiscard]] bool lost() const { return !valid(); }
  // 0 where it is lost.
  [[nodiscard]] LeaseClock::duration left() const;

  // In what state it comes back. Default: clean.
  void SetDisposition(v1::Disposition disposition);
  // Gives it back now and waits for the answer, for the time limit of a call. Holds nothing
  // afterwards; where the answer is missing, the Keeper goes on trying.
  [[nodiscard]] Error Return();

  // As Client::ReadBuffer and WriteBuffer. No grant may end in the midst of a Write: the Keeper
  // renews it, and it must not be returned meanwhile.
  [[nodiscard]] Result<uint64_t> ReadBuffer(uint64_t offset, uint64_t length,
                                            const Client::TakeBytes& take) const;
  [[nodiscard]] Result<v1::WriteResponse> WriteBuffer(uint64_t offset,
                                                      const Client::GiveBytes& give) const;

 private:
  friend class Keeper;
  friend class CachedPool;
  Grant(Keeper& keeper, Kept& kept) : keeper_(&keeper), kept_(&kept) {}

  Keeper* keeper_ = nullptr;
  Kept* kept_ = nullptr;  // the Keeper's, until Release
};

}  // namespace objpool::client
