// What one worker counts of its connections, where its engine sees them. Written by the worker
// alone, read by the collector.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "pool/base/counter.h"

namespace objpool::rpc {

// Why the server closed a connection, where neither its client nor the server went.
enum class Cut : uint8_t {
  kCrowded,   // there are too many
  kStarved,   // the system had no descriptor for it
  kSlow,      // the opening, or headers that had begun, did not come
  kFlood,     // it sent too much that costs and brings nothing
  kProtocol,  // it broke HTTP/2
  kUnread,    // it did not read what it was sent
  kSilent,    // it did not answer a ping
  kIdle,      // it had no call for long
};
inline constexpr std::size_t kCuts = 8;

// Names as metrics print them, indexed by Cut.
inline constexpr std::array<const char*, kCuts> kCutNames = {
    "crowded", "no_descriptor", "slow", "flood", "protocol", "not_reading", "silent", "idle"};

struct ConnectionStats {
  std::atomic<uint64_t> open{0};
  base::Counter accepted;
  std::array<base::Counter, kCuts> cuts;

  void Note(Cut why) { cuts[static_cast<std::size_t>(why)].Add(); }
};

}  // namespace objpool::rpc
