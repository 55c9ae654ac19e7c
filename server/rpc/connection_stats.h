// What one worker counts of its connections, where its engine sees them. Written by the worker
// alone, read by the collector.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "pool/base/counter.h"

namespace objpool::rpc {

// Why the server closed a connection, where neither its client nor the server went.
enum class Cut : uint8_t {
  kCrowded,      // there are too many
  kCrowdedPeer,  // of this client
  kStarved,      // the system had no descriptor for it
  kSlow,         // the opening, or headers that had begun, did not come
  kFlood,        // it sent too much that costs and brings nothing
  kProtocol,     // it broke HTTP/2
  kUnread,       // it did not read what it was sent
  kSilent,       // it did not answer a ping
  kIdle,         // it had no call for long
  kAged,         // it was as old as it may be, and was asked to go
};
inline constexpr std::size_t kCuts = 10;

// Names as metrics print them, indexed by Cut.
inline constexpr std::array<const char*, kCuts> kCutNames = {
    "crowded",  "crowded_peer", "no_descriptor", "slow", "flood",
    "protocol", "not_reading",  "silent",        "idle", "aged"};
// What clients are told.
inline constexpr std::array<std::string_view, kCuts> kCutTexts = {
    "the server has as many connections as it may",
    "this client has as many connections as it may",
    "",
    "the opening, or the rest of the headers, did not come",
    "too many frames that cost something and bring nothing",
    "this is not HTTP/2",
    "what was sent is not read",
    "a ping was not answered",
    "there was no call for long",
    "the connection is as old as it may be"};

struct ConnectionStats {
  std::atomic<uint64_t> open{0};
  base::Counter accepted;
  std::array<base::Counter, kCuts> cuts;

  void Note(Cut why) { cuts[static_cast<std::size_t>(why)].Add(); }
};

}  // namespace objpool::rpc
