#include "server/service/session_token.h"

#include <charconv>
#include <cstddef>
#include <system_error>

namespace objpool::server {

std::string TokenText(const lease::Secret& token) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : token) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xf];
  }
  return text;
}

std::optional<lease::Secret> ParseToken(std::string_view text) {
  lease::Secret token;
  if (text.size() != 2 * token.size()) return std::nullopt;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const char* const digits = text.data() + (2 * i);
    const auto [end, error] = std::from_chars(digits, digits + 2, token[i], 16);
    if (error != std::errc() || end != digits + 2) return std::nullopt;
  }
  return token;
}

}  // namespace objpool::server
