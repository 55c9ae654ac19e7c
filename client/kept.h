// Kept: what a Keeper knows of one grant. Internal to Keeper and Grant.
//
// All but the constants and `deadline` is guarded by the Keeper's mutex; `disposition` is the
// Grant's alone until it gives the handle up.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "client/keeper.h"

namespace objpool::client {

struct Kept {
  enum class State : uint8_t {
    kHeld,    // its Grant has it
    kLost,    // likewise, and it is over
    kReturn,  // on its way back
    kGone,    // to be dropped at the end of the renewal that it is in
  };
  using Time = LeaseClock::time_point;

  Kept(const Ref& of, const v1::Grant& what, const OnLost& tell, Milliseconds ask, Time until)
      : ref(of), value(what), on_lost(tell), ttl(ask), deadline(until) {}

  const Ref ref;
  const v1::Grant value;
  const OnLost on_lost;
  Milliseconds ttl;  // what to ask for; 0: the pool's default
  Deadline deadline;
  v1::Disposition disposition = v1::DISPOSITION_CLEAN;
  State state = State::kHeld;
  bool in_renewal = false;
  bool in_return_now = false;  // its Grant waits for the answer itself
  uint32_t failed = 0;         // renewals, one after the other
  Error why{};                 // it was lost
  // Its places in BySoonest; none where they are 0.
  Time due{};
  Time end{};
};

// Grants by when they are to be renewed, and by when they end. The pointers tell equals apart.
struct Keeper::BySoonest {
  using Entry = std::pair<Time, Kept*>;
  std::set<Entry> due;
  std::set<Entry> end;

  static void Move(std::set<Entry>& set, Kept& kept, Time& place, Time to) {
    if (place != Time()) set.erase({place, &kept});
    place = to;
    if (place != Time()) set.emplace(place, &kept);
  }
  void MoveDue(Kept& kept, Time to) { Move(due, kept, kept.due, to); }
  void MoveEnd(Kept& kept, Time to) { Move(end, kept, kept.end, to); }
};

}  // namespace objpool::client
