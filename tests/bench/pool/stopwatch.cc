#include "tests/bench/pool/stopwatch.h"

#include <ctime>
#include <fstream>

namespace objpool::bench {
namespace {

uint64_t CpuNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// The second number of schedstat: nanoseconds on a run queue.
uint64_t WaitedNs() {
  std::ifstream file("/proc/thread-self/schedstat");
  uint64_t ran = 0;
  uint64_t waited = 0;
  return file >> ran >> waited ? waited : 0;
}

}  // namespace

Stopwatch::Stopwatch()
    : waited_start_(WaitedNs()), cpu_start_(CpuNs()), wall_start_(Clock::now()) {}

Elapsed Stopwatch::Read() const {
  Elapsed elapsed;
  elapsed.wall = static_cast<uint64_t>(wall().count());
  elapsed.cpu = CpuNs() - cpu_start_;
  elapsed.waited = WaitedNs() - waited_start_;
  return elapsed;
}

}  // namespace objpool::bench
