// Grant keys: proof that the caller was given a grant.
//
// A key is a MAC (SipHash-2-4 by libsodium) over pool, handle and fence under a secret of the
// server, so it needs no memory, and a wrong one tells a guesser nothing: 64 bits, compared in
// constant time.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace objpool::lease {

using Secret = std::array<uint8_t, 16>;

// What a holder shows. The wire's GrantRef, without its pool.
struct GrantRef {
  uint64_t handle = 0;
  uint64_t fence = 0;
  uint64_t key = 0;
};

// From the system's random generator.
[[nodiscard]] Secret RandomSecret();
// In constant time.
[[nodiscard]] bool SameSecret(const Secret& left, const Secret& right);
[[nodiscard]] uint64_t MakeKey(const Secret& secret, uint32_t pool_id, uint64_t handle,
                               uint64_t fence);
[[nodiscard]] bool KeyFits(const Secret& secret, uint32_t pool_id, const GrantRef& ref);

// Of the id and of the content of a request, under a secret, so that nobody can make two that look
// alike.
struct RequestHash {
  uint64_t id = 0;  // 0 is no request; HashRequest gives others
  uint64_t content = 0;
};
[[nodiscard]] RequestHash HashRequest(const Secret& secret, std::string_view id,
                                      std::string_view content);

}  // namespace objpool::lease
