// Tail: how long single pops take that have to steal, when threads are many and handles are few.
#pragma once

#include <cstdint>
#include <span>

namespace objpool::bench {

// To standard output, for objpool: percentiles of the time that passes, waits for a CPU and some
// 20 ns of the clock included. 8 threads on `cpus` want more handles than there are.
void PrintTail(std::span<const uint32_t> cpus);

}  // namespace objpool::bench
