// Messages as gRPC frames them on a stream: a flag, four bytes of length, and the message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace objpool::rpc {

inline constexpr std::size_t kMessageHeadBytes = 5;

struct MessageHead {
  bool whole = false;  // the head is; the message where `bytes` of it are behind the head
  bool compressed = false;
  std::size_t bytes = 0;
};

[[nodiscard]] constexpr MessageHead ReadMessageHead(std::string_view stream) {
  MessageHead head;
  if (stream.size() < kMessageHeadBytes) return head;
  head.whole = true;
  head.compressed = stream[0] != 0;
  for (std::size_t i = 1; i < kMessageHeadBytes; ++i) {
    head.bytes = head.bytes << 8 | static_cast<uint8_t>(stream[i]);
  }
  return head;
}

constexpr void WriteMessageHead(std::size_t bytes, uint8_t* to) {
  to[0] = 0;
  for (std::size_t i = kMessageHeadBytes - 1; i > 0; --i, bytes >>= 8) {
    to[i] = static_cast<uint8_t>(bytes);
  }
}

}  // namespace objpool::rpc
