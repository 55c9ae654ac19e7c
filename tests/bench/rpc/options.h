// Options: the command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace objpool::bench {

struct Options {
  uint32_t rounds = 5;
  std::chrono::milliseconds time{1000};  // of one run of a contender in a cell
  std::string filter;                    // of names of contenders and cells; all when empty
  std::string json;                      // file to write; none when empty
  bool spin = false;                     // the load does not sleep
  std::vector<uint32_t> cpus;            // of servers and load; chosen by the program when empty
};

inline constexpr const char* kUsage =
    "rpc_bench [--rounds N] [--seconds S] [--filter SUBSTRING] [--json PATH] [--cpus SERVER,LOAD] "
    "[--spin]";

// Empty, with `why`, when the arguments are wrong.
[[nodiscard]] std::optional<Options> ParseOptions(const std::vector<std::string>& arguments,
                                                  std::string& why);

}  // namespace objpool::bench
