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

// Not to serve, but to look at the folder of a server that was, or is.
struct StateCommand {
  std::string folder;
  bool verify = false;  // else dump
  bool json = false;
};

// A bad configuration or command line: an Exit with code 2. The flags that are named like a key of
// the file override it. Hyphens may stand for the underscores of a flag.
[[nodiscard]] std::variant<Config, Exit, StateCommand> ParseCommandLine(int argc,
                                                                        const char* const* argv);

}  // namespace objpool::server
