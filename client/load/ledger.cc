#include "client/load/ledger.h"

#include <algorithm>

namespace objpool::load {
namespace {

std::string Ms(uint64_t ns) { return std::to_string(ns / 1'000'000) + " ms"; }

std::string Name(const GrantBytes& grant) {
  return "handle " + std::to_string(grant.handle) + ", fence " + std::to_string(grant.fence);
}

const char* Text(Ledger::Answer answer) {
  switch (answer) {
    case Ledger::Answer::kReturned:
      return "returned";
    case Ledger::Answer::kAlreadyReturned:
      return "already_returned";
    case Ledger::Answer::kStale:
      return "FAILED_PRECONDITION";
    case Ledger::Answer::kNotHolder:
      return "PERMISSION_DENIED";
    case Ledger::Answer::kGone:
      return "NOT_FOUND";
    case Ledger::Answer::kFailed:
      return "a failure";
    case Ledger::Answer::kOther:
      return "something else";
  }
  return "";
}

}  // namespace

Ledger::Ledger(uint32_t capacity, uint64_t ttl_ms)
    : capacity_(capacity), ttl_ms_(ttl_ms), entries_(capacity) {}

void Ledger::Expect(bool holds, const std::string& what) {
  ++checks_;
  if (holds) return;
  if (violations_++ == 0) violation_ = what;
}

// Handles that the server may not have, as far as the load knows.
void Ledger::Away(int64_t change) {
  away_ = static_cast<uint64_t>(static_cast<int64_t>(away_) + change);
  if (change < 0) return;
  while (!most_.empty() && most_.back().away <= away_) most_.pop_back();
  most_.push_back({number_, away_});
}

uint64_t Ledger::MostAwaySince(uint64_t number) const {
  const auto at =
      std::lower_bound(most_.begin(), most_.end(), number,
                       [](const Most& most, uint64_t wanted) { return most.number < wanted; });
  return at == most_.end() ? away_ : std::max(at->away, away_);
}

uint64_t Ledger::BeginLease(uint32_t count) {
  ++number_;
  Away(count);
  return number_;
}

void Ledger::Note(const LeaseCall& call, const GrantBytes& grant, uint64_t ttl_ms) {
  if (grant.handle >= capacity_) {
    Expect(false, Name(grant) + ": the pool has no such handle");
    return;
  }
  Entry& entry = entries_[grant.handle];
  const bool held = entry.state == State::kHeld && call.answered_ns < entry.until_ns;
  Expect(!held, Name(grant) + " is leased while fence " + std::to_string(entry.fence) +
                    " is held, for " + Ms(call.answered_ns - entry.since_ns) + ", and " +
                    Ms(entry.until_ns - std::min(entry.until_ns, call.answered_ns)) + " more");
  Expect(grant.fence > entry.fence,
         Name(grant) + " does not rise: there was " + std::to_string(entry.fence));
  // One whose time was over was free again, and is counted once.
  if (entry.state != State::kFree) Away(-1);
  entry = {.fence = grant.fence,
           .until_ns = call.sent_ns + (ttl_ms * 1'000'000),
           .since_ns = call.sent_ns,
           .state = State::kHeld};
}

void Ledger::Leased(const LeaseCall& call, std::span<const GrantBytes> grants, uint64_t ttl_ms) {
  Expect(grants.size() == call.count,
         "a lease of " + std::to_string(call.count) + " got " + std::to_string(grants.size()));
  Expect(ttl_ms_ == 0 || ttl_ms == ttl_ms_,
         "a lease for " + std::to_string(ttl_ms_) + " ms got " + std::to_string(ttl_ms) + " ms");
  for (const GrantBytes& grant : grants) Note(call, grant, ttl_ms);
  Away(static_cast<int64_t>(grants.size()) - static_cast<int64_t>(call.count));
  leased_ += grants.size();
}

void Ledger::Exhausted(const LeaseCall& call) {
  const uint64_t others = MostAwaySince(call.number) - std::min<uint64_t>(away_, call.count);
  const uint64_t there = capacity_ - std::min<uint64_t>(others, capacity_);
  Expect(there < call.count, "there was nothing for who wanted " + std::to_string(call.count) +
                                 ", and never fewer than " + std::to_string(there) + " of " +
                                 std::to_string(capacity_) + " in " +
                                 Ms(call.answered_ns - call.sent_ns));
  Away(-static_cast<int64_t>(call.count));
}

// They may be leased: they stay away.
void Ledger::LeaseFailed(const LeaseCall& call) { unknown_ += call.count; }

void Ledger::BeginReturn(std::span<const GrantBytes> grants) {
  for (const GrantBytes& grant : grants) {
    Entry& entry = entries_[grant.handle % capacity_];
    if (entry.fence == grant.fence && entry.state == State::kHeld) entry.state = State::kReturning;
  }
}

void Ledger::Returned(std::span<const GrantBytes> grants, Answer answer, uint64_t now_ns) {
  if (answer == Answer::kFailed) {
    unknown_ += grants.size();
    return;
  }
  for (const GrantBytes& grant : grants) {
    Entry& entry = entries_[grant.handle % capacity_];
    // Somebody has it anew: then this one was at home.
    const bool newest = entry.fence == grant.fence;
    const bool runs = newest && now_ns < entry.until_ns;
    Expect(!runs || answer == Answer::kReturned,
           Name(grant) + " is held and returned for the first time, and the answer is " +
               Text(answer));
    if (newest && entry.state == State::kReturning) {
      entry.state = State::kFree;
      Away(-1);
    }
  }
  if (answer == Answer::kReturned) returned_ += grants.size();
}

void Ledger::Renewed(const LeaseCall& call, std::span<const GrantBytes> grants, Answer answer,
                     uint64_t ttl_ms) {
  if (answer == Answer::kFailed) return;
  const bool renewed = answer == Answer::kReturned;
  Expect(!renewed || ttl_ms_ == 0 || ttl_ms == ttl_ms_,
         "a renewal for " + std::to_string(ttl_ms_) + " ms got " + std::to_string(ttl_ms) + " ms");
  for (const GrantBytes& grant : grants) {
    Entry& entry = entries_[grant.handle % capacity_];
    const bool newest = entry.fence == grant.fence && entry.state == State::kHeld;
    const bool runs = newest && call.answered_ns < entry.until_ns;
    Expect(!runs || renewed,
           Name(grant) + " is held and renewed, and the answer is " + Text(answer));
    // It runs at least that long, and then nobody else has the handle.
    const uint64_t until_ns = call.sent_ns + (ttl_ms * 1'000'000);
    Expect(!renewed || newest || call.answered_ns >= until_ns,
           Name(grant) + " is renewed after fence " + std::to_string(entry.fence) + " was leased");
    if (newest && renewed) entry.until_ns = until_ns;
  }
}

void Ledger::Repeated(const GrantBytes& grant, Answer answer) {
  if (answer == Answer::kFailed) return;
  Expect(answer == Answer::kAlreadyReturned || answer == Answer::kStale,
         Name(grant) + " is returned once more, and the answer is " + Text(answer));
}

void Ledger::Forged(const GrantBytes& grant, Answer answer, uint64_t now_ns) {
  const bool runs = now_ns < entries_[grant.handle % capacity_].until_ns;
  if (answer == Answer::kFailed || !runs) return;
  Expect(answer == Answer::kNotHolder,
         Name(grant) + " is returned with a wrong key, and the answer is " + Text(answer));
}

void Ledger::StillLeased(uint64_t handles) {
  Expect(handles == 0, std::to_string(handles) + " handles are leased still, after their time");
}

void Ledger::Reconcile(uint64_t granted, uint64_t returned) {
  const auto within = [this](uint64_t told, uint64_t counted) {
    return told >= counted && told <= counted + unknown_;
  };
  Expect(within(granted, leased_), "the server has counted " + std::to_string(granted) +
                                       " grants, and " + std::to_string(leased_) + " were made");
  Expect(within(returned, returned_), "the server has counted " + std::to_string(returned) +
                                          " returns, and " + std::to_string(returned_) +
                                          " were made");
}

}  // namespace objpool::load
