// The clock of the service: nanoseconds since the machine booted, time asleep included. It never
// goes back and nobody can set it.
#pragma once

#include <time.h>

#include <cstdint>

namespace objpool::rpc {

using BootNs = uint64_t;

[[nodiscard]] inline BootNs BootNow() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (static_cast<BootNs>(now.tv_sec) * 1'000'000'000) + static_cast<BootNs>(now.tv_nsec);
}

}  // namespace objpool::rpc
