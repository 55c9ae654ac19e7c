// objpoolctl: command line client and load test of objpoold.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "client/ctl/command_line.h"

int main(int argc, char** argv) {
  // Failures are told in our words; gRPC's log can be had by setting this.
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  // A reader that went away is told by the failing write, so that a lease nobody saw is returned.
  std::signal(SIGPIPE, SIG_IGN);
  std::ios::sync_with_stdio(false);

  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string_view(value != nullptr ? value : "");
  };
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const bool dumb = variable("TERM").empty() || variable("TERM") == "dumb";
  const bool color = variable("NO_COLOR").empty();
  objpool::client::Console console{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .err_is_terminal = terminal,
      .escapes = terminal && color && variable("TERM") != "dumb",
      .screen = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0 && !dumb,
      .color = color};
  return static_cast<int>(objpool::client::RunCtl(argc, argv, console));
}
