// Checksum: 64 bits of BLAKE2b by libsodium, against damage, not against forgers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace objpool::store {

[[nodiscard]] uint64_t Checksum(std::span<const std::byte> bytes);

}  // namespace objpool::store
