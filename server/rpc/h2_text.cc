#include "server/rpc/h2_text.h"

#include <charconv>
#include <cstddef>

namespace objpool::rpc {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr BootNs UnitNs(char unit) {
  switch (unit) {
    case 'n':
      return 1;
    case 'u':
      return 1'000;
    case 'm':
      return 1'000'000;
    case 'S':
      return 1'000'000'000;
    case 'M':
      return 60'000'000'000;
    case 'H':
      return 3'600'000'000'000;
    default:
      return 0;
  }
}

}  // namespace

std::optional<BootNs> ParseGrpcTimeout(std::string_view text) {
  constexpr std::size_t kMaxDigits = 8;  // 10^8 hours fit into 64 bits of nanoseconds only clamped
  constexpr BootNs kLongest = UINT64_MAX / 4;
  if (text.size() < 2 || text.size() > kMaxDigits + 1) return std::nullopt;
  const BootNs unit = UnitNs(text.back());
  text.remove_suffix(1);
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), count);
  if (unit == 0 || error != std::errc() || end != text.end()) return std::nullopt;
  return count > kLongest / unit ? kLongest : count * unit;
}

void AppendPercentEncoded(std::string_view text, std::string& to) {
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      to += c;
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    to += '%';
    to += kHex[byte >> 4];
    to += kHex[byte & 0xf];
  }
}

void AppendBase64(std::string_view bytes, std::string& to) {
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (count += 8; count >= 6; count -= 6) to += kDigits[bits >> (count - 6) & 63];
  }
  if (count > 0) to += kDigits[bits << (6 - count) & 63];
}

}  // namespace objpool::rpc
