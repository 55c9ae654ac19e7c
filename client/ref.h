// Ref: one grant as one word, POOL/HANDLE/FENCE/KEY, to be kept in a variable or pasted.
//
// HANDLE and FENCE are decimal, KEY is 16 hexadecimal digits. The key is a secret: whoever has the
// word can renew and return the grant, so what is meant for logs is WithoutKey.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "objpool/v1/grant.pb.h"

namespace objpool::client {

// The server's limits, written here once for all that the client checks before it calls.
inline constexpr std::size_t kMaxPoolNameBytes = 63;
inline constexpr uint64_t kMaxHandle = (uint64_t{1} << 24) - 1;
inline constexpr uint32_t kMaxBatch = 1024;
inline constexpr std::size_t kMaxHolderBytes = 64;
inline constexpr std::size_t kMaxRequestIdBytes = 64;

struct Ref {
  std::string pool;  // bare, without "pools/"
  uint64_t handle = 0;
  uint64_t fence = 0;
  uint64_t key = 0;

  bool operator==(const Ref&) const = default;
};

[[nodiscard]] std::string FormatRef(const Ref& ref);
// For people and logs: POOL/HANDLE/FENCE.
[[nodiscard]] std::string WithoutKey(const Ref& ref);
// Nothing, and in `why` the part that is wrong, its limit and its value. Never repeats a key.
[[nodiscard]] std::optional<Ref> ParseRef(std::string_view text, std::string& why);
// Likewise of POOL/HANDLE/FENCE, for what needs no key. A whole ref will do; its key is left out.
[[nodiscard]] std::optional<Ref> ParseRefWithoutKey(std::string_view text, std::string& why);

[[nodiscard]] Ref RefOf(std::string_view pool, const v1::GrantRef& grant);
[[nodiscard]] v1::GrantRef GrantRefOf(const Ref& ref);

// The bare name of "pools/{pool}" or "{pool}".
[[nodiscard]] std::string_view BarePool(std::string_view name);
// True for what can be a pool's name; otherwise says in `why` what it breaks.
[[nodiscard]] bool IsPoolName(std::string_view name, std::string& why);

}  // namespace objpool::client
