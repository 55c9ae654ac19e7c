// Files of a state_dir, whole ones and what a fuzzer makes of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/store/pool_file.h"
#include "tests/fuzz/input.h"

namespace objpool::fuzz {

inline constexpr uint32_t kImageCapacity = 40;
[[nodiscard]] store::PoolIdentity ImageIdentity();

// What a server leaves behind: a pool with handles that are held, returned, quarantined and never
// leased, and a clock.
struct StateImage {
  std::string pool;
  std::string clock;
};
[[nodiscard]] const StateImage& WholeImage();

// A file that begins as `whole`: changed in places (AT, LENGTH bytes), each followed by what is to
// be done about checksums, and cut off or made longer at the end. Or all of it the fuzzer's.
[[nodiscard]] std::string Damaged(const std::string& whole, std::size_t value_bytes, Input& input);

// Of the value in a Twin, by which Damaged can make a changed header look sound.
[[nodiscard]] std::size_t PoolHeaderBytes();
[[nodiscard]] std::size_t ClockBytes();

}  // namespace objpool::fuzz
