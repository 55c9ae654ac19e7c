// Ledger: what a load was told by a server, and whether all of it can be true.
//
// The load must have the pool to itself. Times are the load's own: a grant runs at least its TTL
// from when it was asked for. What is found is a sentence, the first one of which is kept.
//   - No handle is held twice, and its fences rise.
//   - "None free" is said only when it may be so: of the handles that were neither held nor on
//     their way at any moment of the call, there were fewer than it wanted.
//   - Return is right about what is held, what was returned before, and what is a stranger's.
//   - What is held can be renewed.
//   - TTLs are those that were asked for; handles are those of the pool.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "client/load/lease_messages.h"

namespace objpool::load {

class Ledger {
 public:
  // `capacity` handles, all of them free. A `ttl_ms` of 0: whatever the pool's is.
  Ledger(uint32_t capacity, uint64_t ttl_ms);

  // A Lease leaves. The number is to be given back with its answer.
  [[nodiscard]] uint64_t BeginLease(uint32_t count);
  struct LeaseCall {
    uint64_t number = 0;
    uint32_t count = 0;
    uint64_t sent_ns = 0;
    uint64_t answered_ns = 0;
  };
  void Leased(const LeaseCall& call, std::span<const GrantBytes> grants, uint64_t ttl_ms);
  void Exhausted(const LeaseCall& call);
  // Another failure, after which nobody knows.
  void LeaseFailed(const LeaseCall& call);

  // A Return of all these leaves; it is answered as one.
  void BeginReturn(std::span<const GrantBytes> grants);
  enum class Answer : uint8_t {
    kReturned,
    kAlreadyReturned,
    kStale,      // FAILED_PRECONDITION
    kNotHolder,  // PERMISSION_DENIED
    kGone,       // NOT_FOUND
    kFailed,     // the call failed, and nobody knows
    kOther,
  };
  // What was held is returned. Of one that runs no more by our clock, every answer is right.
  void Returned(std::span<const GrantBytes> grants, Answer answer, uint64_t now_ns);
  // The answer to a Renew of all these; kReturned stands for renewed. Its call's number and count
  // do not matter.
  void Renewed(const LeaseCall& call, std::span<const GrantBytes> grants, Answer answer,
               uint64_t ttl_ms);
  // The same again; or with a wrong key, while it is held.
  void Repeated(const GrantBytes& grant, Answer answer);
  void Forged(const GrantBytes& grant, Answer answer, uint64_t now_ns);

  // So many are leased still, when the time of all grants is over.
  void StillLeased(uint64_t handles);
  // What the server says that it has granted, and was returned to it, since the beginning.
  void Reconcile(uint64_t granted, uint64_t returned);

  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] uint64_t violations() const { return violations_; }
  [[nodiscard]] uint64_t checks() const { return checks_; }
  [[nodiscard]] uint64_t leased() const { return leased_; }
  [[nodiscard]] uint64_t returned() const { return returned_; }

 private:
  enum class State : uint8_t { kFree, kHeld, kReturning, kUnknown };
  struct Entry {
    uint64_t fence = 0;  // the newest
    uint64_t until_ns = 0;
    uint64_t since_ns = 0;
    State state = State::kFree;
  };
  // The most handles that may have been away, from the call of a number on.
  struct Most {
    uint64_t number;
    uint64_t away;
  };
  void Away(int64_t change);
  [[nodiscard]] uint64_t MostAwaySince(uint64_t number) const;
  void Note(const LeaseCall& call, const GrantBytes& grant, uint64_t ttl_ms);
  void Expect(bool holds, const std::string& what);

  const uint32_t capacity_;
  const uint64_t ttl_ms_;
  std::vector<Entry> entries_;
  std::deque<Most> most_;  // falling
  uint64_t number_ = 0;
  uint64_t away_ = 0;
  uint64_t leased_ = 0;
  uint64_t returned_ = 0;
  uint64_t unknown_ = 0;  // grants or returns of which nobody knows
  uint64_t checks_ = 0;
  uint64_t violations_ = 0;
  std::string violation_;
};

}  // namespace objpool::load
