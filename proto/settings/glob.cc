#include "proto/settings/glob.h"

#include <array>

#include "pool/base/check.h"

namespace objpool::settings {

Glob::Glob(std::string_view pattern, char separator) : separator_(separator) {
  OBJPOOL_CHECK(pattern.size() <= kMaxBytes, "a pattern has its limit");
  if (pattern == "*") pattern = "**";
  const std::size_t plain = pattern.find('*');
  prefix_ = pattern.substr(0, plain);
  pattern.remove_prefix(prefix_.size());
  while (!pattern.empty()) {
    const bool star = pattern.front() == '*';
    const bool two = pattern.starts_with("**");
    rest_.push_back({two    ? Kind::kAnything
                     : star ? Kind::kWithinSegment
                            : Kind::kByte,
                     pattern.front()});
    pattern.remove_prefix(two ? 2 : 1);
  }
}

// Keeps the set of places in the pattern to which what was read so far can lead: place i is before
// part i, and the last one is the end.
bool Glob::Matches(std::string_view text) const {
  if (!text.starts_with(prefix_)) return false;
  text.remove_prefix(prefix_.size());
  if (rest_.empty()) return text.empty();
  std::array<bool, kMaxBytes + 1> at{};
  const std::size_t end = rest_.size();
  // A star may stand for nothing.
  const auto enter = [&](std::size_t place) {
    at[place] = true;
    while (place < end && rest_[place].kind != Kind::kByte) at[++place] = true;
  };
  enter(0);
  for (const char c : text) {
    bool any = false;
    // From the end, so that nothing is moved twice by one byte.
    for (std::size_t place = end + 1; place-- > 0;) {
      if (!at[place]) continue;
      at[place] = false;
      if (place == end) continue;
      const Part& part = rest_[place];
      if (part.kind == Kind::kByte) {
        if (part.byte == c) enter(place + 1);
        any = any || part.byte == c;
      } else if (part.kind == Kind::kAnything || c != separator_) {
        enter(place);
        any = true;
      }
    }
    if (!any) return false;
  }
  return at[end];
}

}  // namespace objpool::settings
