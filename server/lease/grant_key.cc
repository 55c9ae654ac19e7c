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
  const uint64_t right = MakeKey(secret, pool_id, ref.handle, ref.fence);
  return sodium_memcmp(&right, &ref.key, sizeof(right)) == 0;
}

RequestHash HashRequest(const Secret& secret, std::string_view id, std::string_view content) {
  RequestHash hash;
  const auto add = [&](std::string_view text, void* to, std::size_t bytes) {
    std::array<uint8_t, crypto_generichash_BYTES_MIN> sum;
    crypto_generichash(sum.data(), sum.size(), reinterpret_cast<const uint8_t*>(text.data()),
                       text.size(), secret.data(), secret.size());
    std::memcpy(to, sum.data(), bytes);
  };
  std::array<uint64_t, 2> of_id;
  add(id, of_id.data(), sizeof(of_id));
  add(content, &hash.content, sizeof(hash.content));
  hash.id = of_id[0];
  hash.id_more = of_id[1];
  return hash;
}

}  // namespace objpool::lease
