// The command line of objpoold.
#pragma once

#include <string>
#include <variant>

#include "server/config/config.h"

namespace objpool::server {

// Not to serve, but to print this and end.
struct Exit {
  int code = 0;
  std::string out;
  std::string err;
};

// A bad configuration or command line: an Exit with code 2. The flags that are named like a key of
// the file override it. Hyphens may stand for the underscores of a flag.
[[nodiscard]] std::variant<Config, Exit> ParseCommandLine(int argc, const char* const* argv);

}  // namespace objpool::server
