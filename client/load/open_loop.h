// OpenLoop: leases, holds, renews and returns at times that were decided before, however long the
// answers take, so that latencies are those of a steady arrival: each is counted from when its
// request was meant to leave (the intended start; after wrk2 and YCSB, which name the mistake of
// not doing so coordinated omission).
//
// It knows how late it was itself: where that is not small beside what it measures, the run says
// nothing about the server.
//
// Threads: as many as it is told to use, each with a share of the arrivals and of the connections;
// the first is the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/load/arrivals.h"
#include "client/load/ledger.h"
#include "pool/base/log_histogram.h"

namespace objpool::load {

enum class HoldTimes : uint8_t { kFixed, kUniform, kExponential };

enum class OpenLoopPhase : uint8_t { kRamp, kWarmup, kMeasured, kEnd };

// What one second saw.
struct OpenLoopSecond {
  OpenLoopPhase phase = OpenLoopPhase::kRamp;  // kMeasured: all of it
  uint64_t begun = 0;
  uint64_t leased = 0;  // calls
  uint64_t renewed = 0;
  uint64_t returned = 0;
  uint64_t exhausted = 0;
  uint64_t failed = 0;
  uint64_t p50_ns = 0;  // of leases, from the intended start
  uint64_t p99_ns = 0;
  uint64_t max_ns = 0;
};

struct OpenLoopOptions {
  std::string address;  // HOST:PORT
  std::string pool;
  Arrivals::Shape arrivals;
  uint32_t threads = 1;  // Range: 1 .. connections.
  uint32_t connections = 4;
  uint32_t lease_connections = 0;           // of those, for leases only; 0: all are for all
  bool reconnects = false;                  // what the server breaks is made anew
  bool stream = false;                      // a Session on each, rather than calls
  std::chrono::nanoseconds break_every{0};  // then one connection with all it holds; 0: never
  uint32_t batch = 1;
  uint64_t ttl_ms = 0;  // 0: the pool's default
  std::chrono::nanoseconds hold{0};
  HoldTimes hold_times = HoldTimes::kFixed;     // of that mean
  std::chrono::nanoseconds return_together{0};  // at the next multiple of it; 0: after the hold
  uint32_t renews = 0;                          // within each hold, evenly
  std::chrono::nanoseconds renew_together{0};   // instead, at each multiple of it; 0: not
  // Instead of the renews, and instead of the hold: so often in a second one of those that are held
  // is renewed, or returned. They arrive as leases do. 0: not.
  double renew_rate = 0;
  double return_rate = 0;
  std::chrono::nanoseconds warmup{0};  // after the ramp
  std::chrono::nanoseconds duration{0};
  uint32_t most_cycles = 20'000;  // under way at once; beyond, arrivals are dropped
  uint64_t seed = 1;
  Ledger* ledger = nullptr;  // checks every answer; for one thread only
  // Is told of each second at its end, by any of the threads, one at a time. May be empty.
  std::function<void(const OpenLoopSecond&)> on_second;
};

[[nodiscard]] inline uint64_t CountNs(std::chrono::nanoseconds time) {
  return static_cast<uint64_t>(time.count());
}

struct OpenLoopResult {
  // Of the measured part. Latencies in nanoseconds, from the intended start.
  base::LogHistogram lease_ns;
  base::LogHistogram renew_ns;
  base::LogHistogram return_ns;
  base::LogHistogram late_ns;  // of the load itself, when it began a cycle
  uint64_t cycles = 0;
  double measured_s = 0;
  // Of the whole run.
  uint64_t begun = 0;
  uint64_t exhausted = 0;
  uint64_t failed = 0;
  uint64_t dropped = 0;
  uint64_t nothing_held = 0;  // renewals and returns of a rate of their own that found no lease
  uint64_t lost = 0;          // calls whose connection broke
  uint64_t breaks = 0;        // of connections, by the load
  uint64_t abandoned = 0;     // handles that connections held which the load broke
  uint64_t in_doubt = 0;      // handles of lost calls that were not repeated: perhaps leased still
  uint64_t reconnects = 0;    // of what the server had broken
  std::string first_failure;
  std::vector<OpenLoopSecond> seconds;

  [[nodiscard]] double cycles_per_s() const {
    return measured_s > 0 ? static_cast<double>(cycles) / measured_s : 0;
  }
  // Empty where the load was not the bottleneck; else why.
  [[nodiscard]] std::string WhyInvalid() const;
};

// Runs until `stop` says so, or all is over; everything is returned in the end. Null, with `why`,
// where there is no such server, or a connection broke that was not to.
using StopFlag = bool (*)();
[[nodiscard]] std::unique_ptr<OpenLoopResult> RunOpenLoop(const OpenLoopOptions& options,
                                                          StopFlag stop, std::string& why);

}  // namespace objpool::load
