// SessionTable: the sessions of one worker: which of them linger and until when, whose grants go
// back, and whose turn it is to be looked at.
//
// A session is open (it has a stream), lingers (it has none, and may have one again), or leaves
// (its grants go back, and nobody comes back to it). Where a token leads is SessionDirectory's to
// know.
//
// Threads: one. Time is an argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/lease/grant_key.h"
#include "server/lease/lease_word.h"
#include "server/lease/session_grants.h"

namespace objpool::lease {

// Whoever looks after sessions adds what it needs itself.
struct Session {
  virtual ~Session() = default;

  Secret token{};
  uint64_t serial = 0;  // its name inside the server
  uint64_t linger_ms = 0;
  std::string holder;  // of leases that name none
  SessionGrants grants;
  std::size_t look_end = 0;  // where this round's look at the grants goes on, see FirstOfRun

 private:
  friend class SessionTable;
  enum class State : uint8_t { kOpen, kLingering, kLeaving };
  State state = State::kOpen;
  BootMs linger_until = 0;
  std::size_t place = 0;
};

class SessionTable {
 public:
  // How often each open session's grants are looked at.
  static constexpr BootMs kLookEveryMs = 100;

  // It is open.
  Session& Add(std::unique_ptr<Session> session);
  // Out of the table, to another worker's; it is open.
  [[nodiscard]] std::unique_ptr<Session> Take(Session& session);
  // Null when it is not here, or leaves.
  [[nodiscard]] Session* Find(uint64_t serial) const;

  // It has lost its stream; it has one again.
  void Linger(Session& session, BootMs now);
  void Reopen(Session& session);
  // One that has lingered long enough; null when there is none. The caller calls Leave.
  [[nodiscard]] Session* LingeredOut(BootMs now) const;
  void Leave(Session& session);
  // The next whose grants go back; null when there is none. The caller drops it when they are.
  [[nodiscard]] Session* Leaving() const;
  void Drop(Session& session);

  // The open session whose grants are to be looked at now; null when the round is over. Rounds
  // begin kLookEveryMs apart. The caller moves look_end to 0, in as many calls as it likes, and
  // calls Looked.
  [[nodiscard]] Session* ToLookAt(BootMs now);
  void Looked() { --round_left_; }

  [[nodiscard]] std::size_t open() const {
    return sessions_.size() - lingering_.size() - leaving_.size();
  }
  [[nodiscard]] std::size_t lingering() const { return lingering_.size(); }

 private:
  using State = Session::State;
  [[nodiscard]] std::unique_ptr<Session> Remove(Session& session);
  void StopLingering(Session& session);

  std::vector<std::unique_ptr<Session>> sessions_;
  std::unordered_map<uint64_t, Session*> by_serial_;  // open and lingering ones
  std::multimap<BootMs, Session*> lingering_;         // by their end
  std::deque<Session*> leaving_;
  // The round goes backwards, as walks over grants do.
  std::size_t round_left_ = 0;
  Session* looked_at_ = nullptr;  // whose look_end this round has set
  BootMs next_round_at_ = 0;
};

}  // namespace objpool::lease
