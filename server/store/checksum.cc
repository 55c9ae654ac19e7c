#include "server/store/checksum.h"

#include <sodium.h>

#include <array>
#include <cstring>

namespace objpool::store {

uint64_t Checksum(std::span<const std::byte> bytes) {
  std::array<uint8_t, crypto_generichash_BYTES_MIN> hash;
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const uint8_t*>(bytes.data()),
                     bytes.size(), nullptr, 0);
  uint64_t sum = 0;
  std::memcpy(&sum, hash.data(), sizeof(sum));
  return sum;
}

}  // namespace objpool::store
