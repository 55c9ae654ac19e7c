// WaitQueue: who waits for handles of one pool: by priority, and in order of coming within each.
//
// Those who would take handles of the same classes are one kind, and have a line for each priority.
// Who is next is asked for without the classes that somebody further ahead has claimed: so whoever
// waits is passed over only by those who want something else.
//
// Threads: one at a time; LeasePool has a lock for it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "server/lease/free_handles.h"
#include "server/lease/grant_key.h"
#include "server/lease/lease_word.h"
#include "server/lease/quotas.h"

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
  ClassMask classes = kAllClasses;
  uint32_t near_node = kAnyNode;
  Tenant tenant;
  uint32_t priority = 0;
  BootMs since = 0;

  // What it was served with; its owner's from then on.
  std::vector<GrantRef> grants;
  BootMs served_at = 0;

 private:
  friend class WaitQueue;
  Waiter* before_ = nullptr;
  Waiter* behind_ = nullptr;
  uint64_t number_ = 0;
  bool queued_ = false;
};

class WaitQueue {
 public:
  // So many kinds may wait at once.
  static constexpr std::size_t kMaxKinds = 64;

  // False when it would be one kind too many.
  [[nodiscard]] bool Add(Waiter& waiter);
  // False when it is not in the queue (any more).
  [[nodiscard]] bool Remove(Waiter& waiter);
  // The next one to be served who wants some class that is not claimed; null when there is none.
  [[nodiscard]] Waiter* Next(ClassMask claimed) const;
  // The classes that somebody waits for.
  [[nodiscard]] ClassMask wanted() const;
  [[nodiscard]] uint32_t size() const { return size_; }
  // When the one that waits longest came; 0 when there is none.
  [[nodiscard]] BootMs oldest() const;

 private:
  struct Line {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
  };
  struct Kind {
    ClassMask classes;
    std::array<Line, kPriorities> lines;
    uint32_t size = 0;
  };
  [[nodiscard]] static Waiter* FirstOf(const Kind& kind);

  std::vector<Kind> kinds_;
  uint32_t size_ = 0;
  uint64_t next_number_ = 0;
};

}  // namespace objpool::lease
