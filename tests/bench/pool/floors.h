// Floors: what single steps cost on this machine, below which no pool that takes them can be.
#pragma once

#include <cstdint>
#include <span>

namespace objpool::bench {

// To standard output. Uses the first two CPUs.
void PrintFloors(std::span<const uint32_t> cpus, uint32_t rounds);

}  // namespace objpool::bench
