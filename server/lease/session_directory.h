// SessionDirectory: where the session of a token lives, over all workers.
//
// Tokens are found by a keyed hash and then compared in constant time, so that how long a wrong one
// takes tells a guesser nothing.
//
// Bounded: kMax sessions, with kMaxGrants grants together. Threads: any. Its lock is held for some
// hundred nanoseconds, when a session begins, moves or ends.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "server/lease/grant_key.h"

namespace objpool::lease {

class SessionDirectory {
 public:
  static constexpr std::size_t kMax = 10'000;
  static constexpr std::size_t kMaxGrants = std::size_t{4} << 20;

  // A new session on this worker: its token, and its name inside the server. Empty when there are
  // too many.
  struct Fresh {
    Secret token;
    uint64_t serial;
  };
  [[nodiscard]] std::optional<Fresh> Begin(uint32_t worker);
  struct Place {
    uint64_t serial;
    uint32_t worker;
  };
  [[nodiscard]] std::optional<Place> Find(const Secret& token) const;
  // It lives there now. Call it when what waits for it there can find it.
  void Move(const Secret& token, uint32_t worker);
  void End(const Secret& token);

  // Grants of all sessions. Between a look at the room and the count, others may come, so there can
  // be a batch of each worker more than kMaxGrants.
  [[nodiscard]] bool RoomFor(std::size_t grants) const {
    return grants_.load(std::memory_order_relaxed) + grants <= kMaxGrants;
  }
  void Count(std::size_t before, std::size_t after) {
    if (before != after) grants_.fetch_add(after - before, std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t grants() const { return grants_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    Secret token;
    Place place;
  };
  [[nodiscard]] uint64_t HashOf(const Secret& token) const;

  const Secret secret_ = RandomSecret();  // of the hashes
  mutable std::mutex lock_;
  std::unordered_map<uint64_t, Entry> entries_;
  uint64_t last_serial_ = 0;
  std::atomic<std::size_t> grants_{0};
};

}  // namespace objpool::lease
