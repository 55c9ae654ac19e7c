// LeaseClock: the time that grants are counted by, from the time that calls come with.
#pragma once

#include <cstdint>

#include "server/lease/lease_word.h"
#include "server/rpc/boot_clock.h"

namespace objpool::server {

struct LeaseClock {
  // Lease clock less CLOCK_BOOTTIME, modulo 2^64; see store::StateDir.
  uint64_t offset_ms = 0;

  // Rounded down.
  [[nodiscard]] lease::BootMs At(rpc::BootNs now) const { return (now / 1'000'000) + offset_ms; }
};

}  // namespace objpool::server
