// Scaling: the own-slot cell with more and more threads, each on a CPU of its own.
#pragma once

#include <cstdint>
#include <span>

#include "tests/bench/pool/contender.h"

namespace objpool::bench {

// To standard output, for objpool, the kernel's algorithm and rte_mempool. `cpus` are all that may
// be used. False when a pool did not keep its handles.
[[nodiscard]] bool PrintScaling(const Contenders& contenders, std::span<const uint32_t> cpus,
                                uint32_t rounds);

}  // namespace objpool::bench
