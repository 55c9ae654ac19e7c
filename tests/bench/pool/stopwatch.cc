#include "tests/bench/pool/stopwatch.h"

#include <fcntl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <ctime>

namespace objpool::bench {
namespace {

uint64_t CpuNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

// Wall time begins first and ends last: a wait outside of it must not be taken off it.
Stopwatch::Stopwatch()
    : schedstat_(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)),
      wall_start_(Clock::now()),
      waited_start_(WaitedNs()),
      cpu_start_(CpuNs()) {}

Stopwatch::~Stopwatch() {
  if (schedstat_ >= 0) close(schedstat_);
}

Elapsed Stopwatch::Read() const {
  Elapsed elapsed;
  elapsed.cpu = CpuNs() - cpu_start_;
  elapsed.waited = WaitedNs() - waited_start_;
  elapsed.wall = static_cast<uint64_t>((Clock::now() - wall_start_) / std::chrono::nanoseconds(1));
  return elapsed;
}

// The second number of schedstat: nanoseconds on a run queue.
uint64_t Stopwatch::WaitedNs() const {
  char text[64];
  const auto bytes = pread(schedstat_, text, sizeof(text) - 1, 0);
  if (bytes <= 0) return 0;
  text[bytes] = 0;
  uint64_t waited = 0;
  return std::sscanf(text, "%*u %" SCNu64, &waited) == 1 ? waited : 0;
}

}  // namespace objpool::bench
