#include "server/config/utf8.h"

#include <cstddef>
#include <cstdint>

namespace objpool::server {
namespace {

// The bytes that follow the first one; SIZE_MAX for what cannot begin a character.
std::size_t Following(unsigned char first) {
  if (first < 0x80) return 0;
  if (first >= 0xC2 && first <= 0xDF) return 1;
  if (first >= 0xE0 && first <= 0xEF) return 2;
  if (first >= 0xF0 && first <= 0xF4) return 3;
  return SIZE_MAX;
}

// The range of the second byte is what keeps out overlong forms, surrogates and too high ones.
bool IsSecond(unsigned char first, unsigned char second) {
  const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  return second >= low && second <= high;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t following = Following(byte(i));
    if (following >= text.size() - i) return false;
    if (following > 0 && !IsSecond(byte(i), byte(i + 1))) return false;
    for (std::size_t k = 2; k <= following; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
    }
    i += 1 + following;
  }
  return true;
}

}  // namespace objpool::server
