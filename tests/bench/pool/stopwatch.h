// Stopwatch: what passed for the calling thread, by three clocks.
#pragma once

#include <chrono>
#include <cstdint>

namespace objpool::bench {

// In nanoseconds.
struct Elapsed {
  uint64_t wall = 0;
  uint64_t cpu = 0;
  uint64_t waited = 0;  // ready to run, while others had the CPU; 0 where the kernel does not tell
};

// Starts when it is made. One thread makes it and reads it.
class Stopwatch {
 public:
  Stopwatch();
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  // Costs a few microseconds.
  [[nodiscard]] Elapsed Read() const;

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] uint64_t WaitedNs() const;

  int schedstat_;  // a file, or -1
  Clock::time_point wall_start_;
  uint64_t waited_start_;
  uint64_t cpu_start_;
};

}  // namespace objpool::bench
