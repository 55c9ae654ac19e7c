// Operation: one thing that a client or a worker does: what is wanted, and, while it runs and
// afterwards, what came of it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/lease/lease_pool.h"
#include "server/lease/request_memory.h"

namespace objpool::sim {

enum class Kind : uint8_t {
  kLease,
  kReturn,
  kRenew,
  kRevoke,
  kQuarantine,
  kReinstate,
  kDrain,
  kResume,
  kStopWaiting,
  kCheck,
  kList,
  kSweep,
  kDeliver,     // waiters that were served get their answers
  kLoseStream,  // the worker's session loses its stream, or gets one again
  kEndSession,  // it is looked after: becomes a Return where one has lingered out
};
inline constexpr std::array<const char*, 15> kKindNames = {
    "lease",     "return", "renew",   "revoke",       "quarantine",
    "reinstate", "drain",  "resume",  "stop waiting", "check",
    "list",      "sweep",  "deliver", "lose stream",  "end session"};

// Microseconds of a clock that stops for nothing, not even without power.
using TrueUs = uint64_t;

// A request_id, and what makes its content.
struct Request {
  uint32_t number = 0;
  lease::RequestHash hash{};
};

struct Operation {
  Kind kind = Kind::kSweep;
  uint32_t pool = 0;

  // Lease, and waiting where there is nothing.
  uint32_t count = 1;
  uint32_t min_count = 1;
  uint64_t ttl_ms = 1;  // Renew too
  bool dirty = false;
  uint64_t of_classes = 1;  // as bits, by PoolOptions::ClassOf
  bool waits = false;
  uint32_t priority = 0;
  std::string holder{};
  std::optional<Request> request{};
  bool in_session = false;  // of its worker
  uint64_t linger_ms = 0;   // of that session, where this lease begins it
  // Return, Renew.
  std::vector<lease::GrantRef> refs{};
  std::vector<lease::Disposition> dispositions{};
  uint64_t of_session = 0;  // a Return of a session that has ended: which
  // Revoke, Check, Quarantine, Reinstate; StopWaiting has the waiter's number in `fence`.
  uint64_t handle = 0;
  uint64_t fence = 0;

  // While it runs.
  uint32_t worker = 0;
  bool running = false;
  bool alone = true;      // no other one of the same pool ran meanwhile
  TrueUs began_us = 0;    // when it read the clock
  lease::BootMs now = 0;  // what it read
  uint64_t serial = 0;    // when it began: of two, the greater one began later
  bool in_grace = false;
  bool was_draining = false;   // all the while
  bool saw_drain = false;      // at some moment
  bool others_waited = false;  // at some moment, for handles of the same kind
  lease::HandleView found{};   // its handle, when it began
  uint64_t had = 0;            // handles of the kind that it wants, when it began
  uint64_t fewest = 0;         // the same, when they were fewest
  uint64_t slack = 0;          // that others may have had in their hands
  // By ref: outcomes that were right at some moment, as bits.
  std::vector<uint32_t> right{};
  // Grants that it made and that nobody was told of yet.
  struct Made {
    uint64_t handle;
    uint64_t fence;
    lease::BootMs deadline;
  };
  std::vector<Made> made{};
  uint32_t ended = 0;  // grants that it ended as what it is
  uint32_t renewed = 0;
  // What it was answered.
  std::vector<lease::GrantRef> out{};
  std::vector<lease::Verdict> verdicts{};
  std::optional<lease::LeasePool::Quarantined> quarantined{};
  bool reinstated = false;
  bool durable = false;  // all that was done by then is on the device
  std::vector<lease::LeaseTable::Listed> listed{};
};

// Seen from the client: a grant that it was told of.
struct Grant {
  uint32_t pool = 0;
  lease::GrantRef ref;
};

// One Lease that waits.
struct Waiting : lease::Waiter {
  uint32_t number = 0;
  uint32_t pool = 0;
  uint64_t of_classes = 1;
  std::optional<Request> request{};
  bool queued = false;    // Wait has begun and it was neither served nor taken out
  bool stopping = false;  // somebody is taking it out
  // As Operation::serial: when Wait began, and when it was over; 0 before.
  uint64_t began = 0;
  uint64_t settled = 0;
  TrueUs served_us = 0;
};

}  // namespace objpool::sim
