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

// Why a call was refused or ended, where it was for what it, or all calls together, may cost.
enum class CallCut : uint8_t {
  kStreamLimit,  // its connection has as many as it may
  kCalls,        // the worker has
  kStreams,      // the worker has as many streams as it may
  kHeaders,      // they were too long
  kMessage,      // it was too long
  kHalfOpen,     // its request did not come whole in time
  kUnread,       // too much of requests waits
  kUnsent,       // too many answers are not taken
  kStalled,      // its answer was not taken in time
};
inline constexpr std::size_t kCallCuts = 9;
inline constexpr std::array<const char*, kCallCuts> kCallCutNames = {
    "stream_limit", "too_many_calls", "too_many_streams", "headers",    "message",
    "half_open",    "unread_bytes",   "unsent_bytes",     "not_reading"};

// What a connection that was cut off for kFlood sent too much of.
enum class FloodKind : uint8_t {
  kReset,         // RST_STREAM
  kPing,          // PING, answers included
  kSettings,      // SETTINGS, answers included
  kEmptyData,     // DATA with nothing in it, or padded
  kWindowUpdate,  // WINDOW_UPDATE
  kInvalid,       // frames that HTTP/2 forbids where they came, streams beyond the limit
  kOther,         // PRIORITY and the like
  kVoid,          // reads that brought no frame that anybody wants
  kHeaders,       // few bytes that become many
  kContinuation,  // pieces of headers
  kAnswers,       // what libnghttp2 must answer and cannot send
};
inline constexpr std::size_t kFloodKinds = 11;
inline constexpr std::array<const char*, kFloodKinds> kFloodNames = {
    "reset", "ping", "settings", "empty_data",   "window_update", "invalid",
    "other", "void", "headers",  "continuation", "answers"};

struct ConnectionStats {
  std::atomic<uint64_t> open{0};
  base::Counter accepted;
  std::array<base::Counter, kCuts> cuts;
  std::array<base::Counter, kFloodKinds> floods;
  std::array<base::Counter, kCallCuts> call_cuts;
  // What requests and answers hold at the moment.
  std::atomic<uint64_t> unread_bytes{0};
  std::atomic<uint64_t> unsent_bytes{0};

  void Note(Cut why) { cuts[static_cast<std::size_t>(why)].Add(); }
  void Note(FloodKind kind) { floods[static_cast<std::size_t>(kind)].Add(); }
  void Note(CallCut why) { call_cuts[static_cast<std::size_t>(why)].Add(); }
};

}  // namespace objpool::rpc
