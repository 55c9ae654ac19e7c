#include "tests/fuzz/virtual_clock.h"

#include <time.h>

namespace objpool::fuzz {

std::atomic<uint64_t>& VirtualNs() {
  static std::atomic<uint64_t> now{uint64_t{1000} * 1'000'000'000};
  return now;
}

}  // namespace objpool::fuzz

extern "C" {

int __real_clock_gettime(clockid_t clock, timespec* time);

int __wrap_clock_gettime(clockid_t clock, timespec* time) {
  if (clock != CLOCK_BOOTTIME) return __real_clock_gettime(clock, time);
  constexpr uint64_t kSecondNs = 1'000'000'000;
  const uint64_t now = objpool::fuzz::VirtualNs().load(std::memory_order_relaxed);
  time->tv_sec = static_cast<time_t>(now / kSecondNs);
  time->tv_nsec = static_cast<long>(now % kSecondNs);
  return 0;
}

}  // extern "C"
