#include "server/lease/grant_key.h"

#include <sodium.h>

#include <cstring>

namespace objpool::lease {

static_assert(sizeof(Secret) == crypto_shorthash_KEYBYTES);

Secret RandomSecret() {
  Secret secret;
  randombytes_buf(secret.data(), secret.size());
  return secret;
}

uint64_t MakeKey(const Secret& secret, uint32_t pool_id, uint64_t handle, uint64_t fence) {
  const std::array<uint64_t, 3> subject = {pool_id, handle, fence};
  std::array<uint8_t, sizeof(subject)> bytes;
  std::memcpy(bytes.data(), subject.data(), bytes.size());
  std::array<uint8_t, crypto_shorthash_BYTES> mac;
  crypto_shorthash(mac.data(), bytes.data(), bytes.size(), secret.data());
  uint64_t key = 0;
  std::memcpy(&key, mac.data(), sizeof(key));
  return key;
}

bool KeyFits(const Secret& secret, uint32_t pool_id, const GrantRef& ref) {
  const uint64_t right = MakeKey(secret, pool_id, ref.handle, ref.fence);
  return sodium_memcmp(&right, &ref.key, sizeof(right)) == 0;
}

}  // namespace objpool::lease
