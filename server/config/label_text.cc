#include "server/config/label_text.h"

#include <algorithm>
#include <cstddef>

namespace objpool::server {
namespace {

constexpr std::size_t kMaxBytes = 63;

bool IsLabelCharacter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("-_./").find(c) != std::string_view::npos;
}

}  // namespace

bool IsLabelValue(std::string_view text) {
  return text.size() <= kMaxBytes && std::ranges::all_of(text, IsLabelCharacter);
}

bool IsLabelKey(std::string_view text) { return !text.empty() && IsLabelValue(text); }

}  // namespace objpool::server
