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
  [[nodiscard]] Found Begin(const RequestHash& request, BootMs now, std::vector<GrantRef>& grants);
  void Answer(const RequestHash& request, std::span<const GrantRef> grants, BootMs keep_until);
  // As if it had never been asked: it got nothing.
  void Forget(const RequestHash& request);

  [[nodiscard]] std::size_t size() const;

 private:
  static constexpr std::size_t kParts = 16;
  using Id = std::array<uint64_t, 2>;
  struct IdHash {
    std::size_t operator()(const Id& id) const { return id[0]; }
  };
  struct Entry {
    uint64_t content = 0;
    BootMs keep_until = 0;  // 0: pending
    std::vector<GrantRef> grants;
  };
  struct alignas(base::kCacheLineBytes) Part {
    mutable Sync::Mutex lock;
    std::unordered_map<Id, Entry, IdHash> entries;
    std::size_t grants = 0;  // of all entries
    std::deque<Id> old;      // answered ones, to be looked at in turn
  };

  Part& PartOf(const RequestHash& request) { return parts_[request.id_more % kParts]; }
  static void DropOld(Part& part, BootMs now);

  std::array<Part, kParts> parts_;
};

}  // namespace objpool::lease
