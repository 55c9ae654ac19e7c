// WaitQueue: who waits for handles of one pool: by priority, and in order of coming within each.
//
// Threads: one at a time; LeasePool has a lock for it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "server/lease/grant_key.h"
#include "server/lease/lease_word.h"

namespace objpool::lease {

// Priorities are 0 .. kPriorities - 1; the highest is served first.
inline constexpr uint32_t kPriorities = 10;

// One Lease that waits. Its owner keeps it where it is until it was served or cancelled.
struct Waiter {
  // What is wanted, as LeasePool::Wish.
  uint32_t count = 1;
  uint32_t min_count = 1;
  uint64_t ttl_ms = 0;
  std::string holder;
  bool dirty = false;
  RequestHash request = {};
  uint32_t priority = 0;
  BootMs since = 0;

  // What it was served with; its owner's from then on.
  std::vector<GrantRef> grants;
  BootMs served_at = 0;

 private:
  friend class WaitQueue;
  Waiter* before_ = nullptr;
  Waiter* behind_ = nullptr;
  bool queued_ = false;
};

class WaitQueue {
 public:
  void Add(Waiter& waiter);
  // False when it is not in the queue (any more).
  [[nodiscard]] bool Remove(Waiter& waiter);
  // The one to be served next; null when there is none.
  [[nodiscard]] Waiter* front() const;
  [[nodiscard]] uint32_t size() const { return size_; }
  // When the one that waits longest came; 0 when there is none.
  [[nodiscard]] BootMs oldest() const;

 private:
  struct Line {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
  };
  std::array<Line, kPriorities> lines_;
  uint32_t size_ = 0;
};

}  // namespace objpool::lease
