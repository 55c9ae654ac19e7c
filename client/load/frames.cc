#include "client/load/frames.h"

#include <array>

namespace objpool::load {

bool Frame::Unwrap() {
  std::size_t before = 0;
  std::size_t behind = 0;
  if (has(kPadded)) {
    if (payload.empty()) return false;
    behind = static_cast<uint8_t>(payload.front());
    before = 1;
  }
  if (type == FrameType::kHeaders && has(kPriority)) before += 5;
  if (before + behind > payload.size()) return false;
  payload = payload.substr(before, payload.size() - before - behind);
  return true;
}

std::optional<Frame> FirstFrame(std::string_view bytes, bool& too_long) {
  if (bytes.size() < kFrameHeadBytes) return std::nullopt;
  const std::size_t length = ReadBig(bytes.substr(0, 3));
  too_long = length > kMaxFrameBytes;
  if (too_long || bytes.size() < kFrameHeadBytes + length) return std::nullopt;
  return Frame{.type = static_cast<FrameType>(bytes[3]),
               .flags = static_cast<uint8_t>(bytes[4]),
               .stream = ReadBig(bytes.substr(5, 4)) & 0x7fffffff,
               .payload = bytes.substr(kFrameHeadBytes, length)};
}

void AppendFrameHead(std::size_t payload_bytes, FrameType type, int flags, uint32_t stream,
                     std::string& to) {
  const auto length = static_cast<uint32_t>(payload_bytes);
  const std::array<char, kFrameHeadBytes> head = {
      static_cast<char>(length >> 16), static_cast<char>(length >> 8),
      static_cast<char>(length),       static_cast<char>(type),
      static_cast<char>(flags),        static_cast<char>(stream >> 24),
      static_cast<char>(stream >> 16), static_cast<char>(stream >> 8),
      static_cast<char>(stream)};
  to.append(head.data(), head.size());
}

uint32_t ReadBig(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

void AppendBig(uint32_t value, int bytes, std::string& to) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    to.push_back(static_cast<char>(value >> shift));
  }
}

}  // namespace objpool::load
