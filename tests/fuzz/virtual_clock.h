// The clock of the service (CLOCK_BOOTTIME) as a fuzzer has it: it stands still until it is moved.
// By the linker (--wrap), for the whole program.
#pragma once

#include <atomic>
#include <cstdint>

namespace objpool::fuzz {

[[nodiscard]] std::atomic<uint64_t>& VirtualNs();

}  // namespace objpool::fuzz
