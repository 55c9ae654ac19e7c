// Frames of HTTP/2 (RFC 9113, sections 4, 6 and 7): what a client of gRPC needs of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace objpool::load {

enum class FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kReset = 3,
  kSettings = 4,
  kPush = 5,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
enum Flag : uint8_t { kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8, kPriority = 0x20 };
enum Setting : uint16_t { kTableBytes = 1, kMaxStreams = 3, kFirstWindow = 4 };
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::size_t kFrameHeadBytes = 9;
constexpr std::size_t kSettingBytes = 6;
// Of a frame's payload, where nobody has said otherwise; and nobody here does.
constexpr std::size_t kMaxFrameBytes = 16384;

struct Frame {
  FrameType type;
  uint8_t flags;
  uint32_t stream;
  std::string_view payload;

  [[nodiscard]] bool has(Flag flag) const { return (flags & flag) != 0; }
  // Takes what stands around a header block or data off: padding, and a priority. False where that
  // is more than all.
  [[nodiscard]] bool Unwrap();
};

// The first frame of what has come. Empty where it is not whole yet, or longer than it may be:
// `too_long`.
[[nodiscard]] std::optional<Frame> FirstFrame(std::string_view bytes, bool& too_long);
void AppendFrameHead(std::size_t payload_bytes, FrameType type, int flags, uint32_t stream,
                     std::string& to);

// Numbers as the network has them.
[[nodiscard]] uint32_t ReadBig(std::string_view bytes);
void AppendBig(uint32_t value, int bytes, std::string& to);

}  // namespace objpool::load
