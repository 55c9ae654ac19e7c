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

// Starts when it is made. Use it from one thread.
class Stopwatch {
 public:
  Stopwatch();

  // Costs some 20 ns.
  [[nodiscard]] std::chrono::nanoseconds wall() const { return Clock::now() - wall_start_; }
  // Costs some microseconds, after it read the clocks.
  [[nodiscard]] Elapsed Read() const;

 private:
  using Clock = std::chrono::steady_clock;

  uint64_t waited_start_;
  uint64_t cpu_start_;
  Clock::time_point wall_start_;
};

}  // namespace objpool::bench
