#include "server/config/errors.h"

#include <algorithm>
#include <utility>

namespace objpool::server {

void ConfigErrors::Add(std::string_view key, std::string_view what) {
  ++count_;
  if (lines_.size() >= kMaxLines) return;
  std::string line = std::string(key) + ": " + std::string(what);
  std::ranges::replace_if(
      line, [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  if (line.size() > kMaxLineBytes) line.replace(kMaxLineBytes - 3, std::string::npos, "...");
  lines_.push_back(std::move(line));
}

void ConfigErrors::AddLimit(std::string_view key, std::string_view limit, std::string_view value) {
  Add(key, "must be " + std::string(limit) + ", but is " + std::string(value));
}

std::vector<std::string> ConfigErrors::Lines() const {
  std::vector<std::string> lines = lines_;
  if (count_ > lines.size()) {
    lines.push_back("and " + std::to_string(count_ - lines.size()) + " more");
  }
  return lines;
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kMaxBytes = 64;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMaxBytes)) {
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (c >= ' ' && c <= '~') {
      quoted += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      quoted += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return quoted + (text.size() > kMaxBytes ? "\"..." : "\"");
}

}  // namespace objpool::server
