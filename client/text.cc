#include "client/text.h"

#include <cstdint>

namespace objpool::client {
namespace {

// The bytes of the code point that `text` begins with; 0 where it begins with none. Refuses
// overlong forms, surrogates and what is beyond Unicode.
std::size_t CodePointBytes(std::string_view text, uint32_t& code_point) {
  const auto lead = static_cast<unsigned char>(text[0]);
  code_point = lead;
  if (lead < 0x80) return 1;
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return 0;
  code_point = lead & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return 0;
    code_point = code_point << 6 | (byte & 0x3fu);
  }
  const bool overlong = (bytes == 3 && code_point < 0x800) || (bytes == 4 && code_point < 0x1'0000);
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  return overlong || surrogate || code_point > 0x10'ffff ? 0 : bytes;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    uint32_t code_point = 0;
    const std::size_t bytes = CodePointBytes(text, code_point);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string Printable(std::string_view text, std::size_t max_bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    if (out.size() >= max_bytes) return out + "...";
    uint32_t code_point = 0;
    const std::size_t bytes = CodePointBytes(text, code_point);
    // 0x80 to 0x9f are the other set of control characters, which some terminals obey too.
    const bool control = code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
    const std::size_t shown = bytes == 0 ? 1 : bytes;
    for (const char c : text.substr(0, shown)) {
      const auto byte = static_cast<unsigned char>(c);
      if (bytes == 0 || control) {
        out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
      } else {
        out += c;
      }
    }
    text.remove_prefix(shown);
  }
  return out;
}

}  // namespace objpool::client
