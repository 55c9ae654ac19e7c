// Options: the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace objpool::bench {

struct Options {
  uint32_t rounds = 7;
  std::string filter;          // of names of contenders and cells; all when empty
  std::string json;            // file to write; none when empty
  std::vector<uint32_t> cpus;  // chosen by the program when empty
  bool scaling = false;
};

inline constexpr const char* kUsage =
    "pool_bench [--rounds N] [--filter SUBSTRING] [--json PATH] [--cpus A,B] [--scaling]";

// Empty, with `why`, when the arguments are wrong.
[[nodiscard]] std::optional<Options> ParseOptions(const std::vector<std::string>& arguments,
                                                  std::string& why);

}  // namespace objpool::bench
