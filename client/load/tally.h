// Tally: what a load has counted.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "pool/base/log_histogram.h"

namespace objpool::load {

struct Tally {
  // Of the measured time. Latencies are in nanoseconds, from when the first request of a cycle was
  // made to when the last answer was read.
  bool measuring = false;
  uint64_t cycles = 0;
  base::LogHistogram cycle_ns;

  // Of the whole load. A call that fails ends its cycle.
  uint64_t calls_ok = 0;
  uint64_t calls_failed = 0;
  std::string first_failure;
  // An answer was wrong, and the load is over.
  std::string broken;

  // When what is being worked at was read.
  uint64_t now_ns = 0;
  // No more cycles are begun.
  bool stopping = false;

  void Cycle(uint64_t began_ns) {
    if (!measuring) return;
    ++cycles;
    cycle_ns.Record(now_ns - began_ns);
  }
  void Failed(std::string why) {
    if (calls_failed++ == 0) first_failure = std::move(why);
  }
  void Broken(std::string why) {
    if (broken.empty()) broken = std::move(why);
  }
};

}  // namespace objpool::load
