#include "tests/sim/secrets.h"

#include <sodium.h>

#include <cstring>

#include "tests/sim/random.h"

namespace objpool::sim {
namespace {

constexpr uint64_t kRow = 0x5ec2e7;
Random numbers(0, kRow);

const char* Name() { return "simulated"; }
uint32_t Number() { return static_cast<uint32_t>(numbers.Next()); }
void Fill(void* to, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; ++at) {
    static_cast<uint8_t*>(to)[at] = static_cast<uint8_t>(numbers.Next());
  }
}

randombytes_implementation simulated = {.implementation_name = Name,
                                        .random = Number,
                                        .stir = nullptr,
                                        .uniform = nullptr,
                                        .buf = Fill,
                                        .close = nullptr};

}  // namespace

void SeedSecrets(uint64_t seed) {
  numbers = Random(seed, kRow);
  (void)randombytes_set_implementation(&simulated);
}

}  // namespace objpool::sim
