// LeaseClock: the clock that a client counts its grants on. It goes on while the machine is
// suspended, as the server's does, so that nobody wakes up with a grant that ran out meanwhile.
#pragma once

#include <chrono>
#include <ctime>

namespace objpool::client {

struct LeaseClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<LeaseClock>;
  static constexpr bool is_steady = true;

  [[nodiscard]] static time_point now() noexcept {
    timespec time{};
    (void)::clock_gettime(CLOCK_BOOTTIME, &time);
    return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }
};

}  // namespace objpool::client
