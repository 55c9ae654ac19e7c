// The distance that keeps what different CPUs write from slowing each other down.
#pragma once

#include <cstddef>

namespace objpool::base {

// Two 64-byte lines: x86 prefetches lines in pairs, and some arm64 lines are 128 bytes long.
inline constexpr std::size_t kCacheLineBytes = 128;

}  // namespace objpool::base
