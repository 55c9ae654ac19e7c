// When a worker's turns come, on either engine.
#pragma once

#include <chrono>

#include "server/rpc/boot_clock.h"

namespace objpool::rpc {

// A turn is due this often also where nothing happens: expiry, waits and sweeps.
inline constexpr int kTickMs = 20;
inline constexpr BootNs kTickNs = kTickMs * BootNs{1'000'000};

// After so much work that nobody waits for, others have the CPU for a moment: clients on the same
// machine would else wait for whole slices of the scheduler.
inline constexpr BootNs kPauseAfterNs = 100'000;
inline constexpr std::chrono::microseconds kPause{20};

}  // namespace objpool::rpc
