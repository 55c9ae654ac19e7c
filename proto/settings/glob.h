// Glob: a pattern of names.
//
// '*' stands for any characters but the separator, also none; '**' for any characters; everything
// else for itself, byte by byte. A pattern that is just "*" fits everything. There is no way to
// escape: no name has a '*' in it.
//
// Matching takes at most as many steps as the two lengths multiplied, and never goes back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace objpool::settings {

class Glob {
 public:
  static constexpr std::size_t kMaxBytes = 256;

  // At most kMaxBytes of pattern.
  explicit Glob(std::string_view pattern, char separator = '/');

  [[nodiscard]] bool Matches(std::string_view text) const;

 private:
  enum class Kind : uint8_t { kByte, kWithinSegment, kAnything };
  struct Part {
    Kind kind;
    char byte;
  };
  char separator_;
  std::string prefix_;      // what every match begins with
  std::vector<Part> rest_;  // of the pattern; empty: the prefix is all
};

}  // namespace objpool::settings
