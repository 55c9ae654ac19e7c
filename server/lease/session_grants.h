// SessionGrants: which grants belong to one session, and when each has to be spoken of.
//
// It knows what it was told, and is not the truth: a grant may have ended, or have been renewed,
// without it. Who looks at the truth tells it (LookAt), and forgets what has ended.
//
// Walks go backwards, run by run, and may be broken off and gone on with: what was removed is
// replaced by what was seen already, and what is added comes behind.
//
// Bounded: kMax grants. Threads: one at a time. Time is an argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/lease/grant_key.h"
#include "server/lease/lease_table.h"
#include "server/lease/lease_word.h"

namespace objpool::lease {

class SessionGrants {
 public:
  static constexpr std::size_t kMax = 65'536;

  struct Held {
    GrantRef ref;
    BootMs deadline = 0;
    BootMs soon_at = 0;   // when a third of its time is left
    uint64_t ttl_ms = 0;  // that it was last given; 0 when that is not known
    uint32_t pool = 0;
    bool told = false;  // that it expires soon
  };

  // Adds a grant that runs until `deadline`, or says anew what is known of it. An older grant of
  // the same handle goes: it must have ended. There must be room.
  void Add(std::string_view pool, const GrantRef& ref, uint64_t ttl_ms, BootMs deadline,
           BootMs now);
  // It was renewed; nothing when it is not there.
  void Renew(std::string_view pool, const GrantRef& ref, uint64_t ttl_ms, BootMs deadline);
  // Forgets it. False when it was not there.
  bool Remove(std::string_view pool, uint64_t handle, uint64_t fence);
  [[nodiscard]] bool Has(std::string_view pool, uint64_t handle, uint64_t fence) const;

  [[nodiscard]] std::size_t size() const { return held_.size(); }
  [[nodiscard]] const Held& at(std::size_t place) const { return held_[place]; }
  // "workers", without "pools/".
  [[nodiscard]] const std::string& PoolOf(const Held& held) const { return pools_[held.pool].name; }

  // The last grants before `end` that are of one pool and of one TTL, `most` at the most: those at
  // first .. end - 1. A walk begins at size() and is over at 0.
  [[nodiscard]] std::size_t FirstOfRun(std::size_t end, std::size_t most) const;
  // For walks: of a run, from the back.
  void RemoveAt(std::size_t place);
  void RenewAt(std::size_t place, uint64_t ttl_ms, BootMs deadline);

  enum class Finding : uint8_t {
    kNothing,
    kSoon,  // a third of its time is left, and it was not said yet for this deadline
    kOver,  // it has ended: the caller forgets it
  };
  // What the verdict of LeasePool::Check means for the grant there.
  [[nodiscard]] Finding LookAt(std::size_t place, const Verdict& verdict, BootMs now);
  // A finding of kSoon was said.
  void Told(std::size_t place) { held_[place].told = true; }

 private:
  struct PoolName {
    std::string name;
    std::size_t grants = 0;  // when none is left, the place is free
  };
  static constexpr std::size_t kNowhere = SIZE_MAX;

  [[nodiscard]] uint32_t PoolAt(std::string_view name);
  [[nodiscard]] std::size_t Find(std::string_view pool, uint64_t handle) const;
  static uint64_t Index(uint32_t pool, uint64_t handle) { return (uint64_t{pool} << 32) | handle; }

  std::vector<Held> held_;
  std::unordered_map<uint64_t, uint32_t> places_;  // by pool and handle
  std::vector<PoolName> pools_;
  std::vector<uint32_t> free_pools_;
  std::map<std::string, uint32_t, std::less<>> pool_at_;
};

}  // namespace objpool::lease
