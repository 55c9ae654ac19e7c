// RequestMemory: what was answered to requests that carried an id, so that the same request asked
// again, because its answer was lost, gets the same answer and not a second set.
//
// An entry lives as long as the grants that it answered with could run; it is pending until then.
// It knows requests by hashes of their id and their content, so that its size does not depend on
// them.
//
// Bounded: kMax entries with kMaxGrants grants; beyond, requests with an id are refused.
// Threads: any. Each part of it has a lock of its own, which is held for some hundred nanoseconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "pool/base/cache_line.h"
#include "pool/sync.h"
#include "server/lease/grant_key.h"
#include "server/lease/lease_word.h"

namespace objpool::lease {

class RequestMemory {
 public:
  static constexpr std::size_t kMax = std::size_t{1} << 20;
  static constexpr std::size_t kMaxGrants = std::size_t{4} << 20;

  enum class Found : uint8_t {
    kNew,       // pending now: the caller calls Answer or Forget
    kAnswered,  // with these grants
    kPending,   // somebody else is at it
    kOther,     // the id was used for another request
    kFull,      // no room
  };
  struct Answered {
    std::vector<GrantRef> grants;
    // By a process before this one, which may have been killed before it had given all of them.
    bool restored = false;
  };
  [[nodiscard]] Found Begin(const RequestHash& request, BootMs now, Answered& answer);
  void Answer(const RequestHash& request, std::span<const GrantRef> grants, BootMs keep_until);
  // One grant of an answer that an earlier process gave, as records tell of it. Before the first
  // Begin. False when there is no room.
  [[nodiscard]] bool Restore(const RequestHash& request, const GrantRef& grant, BootMs keep_until);
  // More grants for an answer that was restored.
  void Complete(const RequestHash& request, std::span<const GrantRef> more, BootMs keep_until);
  // As if it had never been asked: it got nothing.
  void Forget(const RequestHash& request);

  [[nodiscard]] std::size_t size() const;

 private:
  static constexpr std::size_t kParts = 16;
  using Id = uint64_t;
  struct IdHash {
    std::size_t operator()(Id id) const { return id; }  // it is a hash
  };
  struct Entry {
    uint64_t content = 0;
    BootMs keep_until = 0;  // 0: pending
    std::vector<GrantRef> grants;
    bool restored = false;
  };
  struct alignas(base::kCacheLineBytes) Part {
    mutable Sync::Mutex lock;
    std::unordered_map<Id, Entry, IdHash> entries;
    std::size_t grants = 0;  // of all entries
    std::deque<Id> old;      // answered ones, to be looked at in turn
  };

  Part& PartOf(const RequestHash& request) { return parts_[(request.id >> 32) % kParts]; }
  static void DropOld(Part& part, BootMs now);

  std::array<Part, kParts> parts_;
};

}  // namespace objpool::lease
