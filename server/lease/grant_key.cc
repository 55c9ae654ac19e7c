#include "server/lease/grant_key.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace objpool::lease {

static_assert(sizeof(Secret) == crypto_shorthash_KEYBYTES);

Secret RandomSecret() {
  Secret secret;
  randombytes_buf(secret.data(), secret.size());
  return secret;
}

bool SameSecret(const Secret& left, const Secret& right) {
  return sodium_memcmp(left.data(), right.data(), left.size()) == 0;
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
  // Two whole registers: how many of their bits agree does not change the time.
  return MakeKey(secret, pool_id, ref.handle, ref.fence) == ref.key;
}

RequestHash HashRequest(const Secret& secret, std::string_view id, std::string_view content) {
  RequestHash hash;
  const auto sum_of = [&](std::string_view text) {
    std::array<uint8_t, crypto_generichash_BYTES_MIN> sum;
    crypto_generichash(sum.data(), sum.size(), reinterpret_cast<const uint8_t*>(text.data()),
                       text.size(), secret.data(), secret.size());
    uint64_t bits = 0;
    std::memcpy(&bits, sum.data(), sizeof(bits));
    return bits;
  };
  hash.id = std::max<uint64_t>(sum_of(id), 1);
  hash.content = sum_of(content);
  return hash;
}

}  // namespace objpool::lease
