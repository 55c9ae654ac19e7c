#include "proto/settings/errors.h"

#include <algorithm>
#include <utility>

namespace objpool::settings {

void ConfigErrors::Add(std::string_view key, std::string_view what) {
  ++count_;
  if (faults_.size() >= kMaxLines) return;
  const auto printable = [](std::string_view text) {
    std::string line(text);
    std::ranges::replace_if(
        line, [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
    return line;
  };
  Fault fault = {printable(key), printable(what)};
  const std::size_t room = kMaxLineBytes - std::min(kMaxLineBytes, fault.key.size() + 2);
  if (fault.what.size() > room)
    fault.what = fault.what.substr(0, room - std::min<std::size_t>(room, 3)) + "...";
  faults_.push_back(std::move(fault));
}

void ConfigErrors::AddLimit(std::string_view key, std::string_view limit, std::string_view value) {
  Add(key, "must be " + std::string(limit) + ", but is " + std::string(value));
}

std::vector<std::string> ConfigErrors::Lines() const {
  std::vector<std::string> lines;
  for (const Fault& fault : faults_) lines.push_back(fault.key + ": " + fault.what);
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

}  // namespace objpool::settings
