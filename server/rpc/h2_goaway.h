// H2GoAway: the frame with which a client is told that its connection is over, and why.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace objpool::rpc {

class H2GoAway {
 public:
  // Of the text, which is for people, at most kMaxTextBytes are said.
  static constexpr std::size_t kMaxTextBytes = 128;

  H2GoAway(uint32_t last_stream, uint32_t error, std::string_view text);
  [[nodiscard]] const uint8_t* data() const { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kHeadBytes = 17;  // of the frame, and the two numbers

  std::array<uint8_t, kHeadBytes + kMaxTextBytes> bytes_{};
  std::size_t size_;
};

// Tells a client that has just come why it is not served, as far as it can be told, and closes.
void RefuseConnection(int fd, std::string_view text);

}  // namespace objpool::rpc
