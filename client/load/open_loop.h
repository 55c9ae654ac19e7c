// OpenLoop: leases, holds and returns at times that were decided before, however long the answers
// take, so that latencies are those of a steady arrival: each is counted from when its request was
// meant to leave (the intended start; after wrk2 and YCSB, which name the mistake of not doing so
// coordinated omission).
//
// It knows how late it was itself: where that is not small beside what it measures, the run says
// nothing about the server.
//
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/load/ledger.h"
#include "pool/base/log_histogram.h"

namespace objpool::load {

struct OpenLoopOptions {
  std::string address;  // HOST:PORT
  std::string pool;
  double rate = 1000;  // cycles begun in a second
  bool random = true;  // Poisson arrivals; else evenly
  uint32_t connections = 4;
  uint32_t batch = 1;
  uint64_t ttl_ms = 0;  // 0: the pool's default
  std::chrono::nanoseconds hold{0};
  bool hold_random = false;  // exponential, of that mean
  std::chrono::nanoseconds warmup{0};
  std::chrono::nanoseconds duration{0};
  uint32_t most_cycles = 20'000;  // under way at once; beyond, arrivals are dropped
  uint64_t seed = 1;
  Ledger* ledger = nullptr;  // checks every answer
};

// What one second saw; of those cycles that ended in it.
struct OpenLoopSecond {
  uint64_t begun = 0;
  uint64_t leased = 0;  // calls
  uint64_t exhausted = 0;
  uint64_t failed = 0;
  uint64_t p50_ns = 0;  // of leases, from the intended start
  uint64_t p99_ns = 0;
  uint64_t max_ns = 0;
};

struct OpenLoopResult {
  // Of the measured part. Latencies in nanoseconds, from the intended start.
  base::LogHistogram lease_ns;
  base::LogHistogram return_ns;
  base::LogHistogram late_ns;  // of the load itself, when it made a request
  uint64_t cycles = 0;
  double measured_s = 0;
  // Of the whole run.
  uint64_t begun = 0;
  uint64_t exhausted = 0;
  uint64_t failed = 0;
  uint64_t dropped = 0;
  std::string first_failure;
  std::vector<OpenLoopSecond> seconds;

  // Empty where the load was not the bottleneck; else why.
  [[nodiscard]] std::string WhyInvalid() const;
};

// Runs until `stop` says so, or all is over; everything is returned in the end. Null, with `why`,
// where there is no such server, or a connection broke.
using StopFlag = bool (*)();
[[nodiscard]] std::unique_ptr<OpenLoopResult> RunOpenLoop(const OpenLoopOptions& options,
                                                          StopFlag stop, std::string& why);

}  // namespace objpool::load
