// The simulated server's secrets: libsodium's random numbers, out of the seed.
#pragma once

#include <cstdint>

namespace objpool::sim {

// From here on, in this process.
void SeedSecrets(uint64_t seed);

}  // namespace objpool::sim
