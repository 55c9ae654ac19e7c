// Input: the bytes that a fuzzer made up, taken from the front as whatever a target needs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

// What libFuzzer and replay_main.cc call; each target defines it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t count);

namespace objpool::fuzz {

class Input {
 public:
  Input(const uint8_t* bytes, std::size_t count)
      : rest_(reinterpret_cast<const char*>(bytes), count) {}
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  // 0 when there is none.
  [[nodiscard]] uint8_t Byte() {
    const std::string_view one = Bytes(1);
    return one.empty() ? 0 : static_cast<uint8_t>(one[0]);
  }
  [[nodiscard]] uint32_t Pair() {
    const uint32_t high = Byte();
    return high << 8 | Byte();
  }
  // At most so many.
  [[nodiscard]] std::string_view Bytes(std::size_t most) {
    const std::string_view taken = rest_.substr(0, most);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  // As many as the next byte says, where there are so many.
  [[nodiscard]] std::string_view Piece() { return Bytes(Byte()); }
  [[nodiscard]] std::string_view Rest() { return Bytes(rest_.size()); }

 private:
  std::string_view rest_;
};

}  // namespace objpool::fuzz
