// Child: a command that runs beside this program and does not outlive it.
//
// It has a process group of its own, so that all that it starts can be told to end; but where this
// program is in the foreground of a terminal it stays in this program's group: the terminal's keys
// then reach it, and what it is piped to, as if it ran alone.
//
// Threads: one, which must not end before the child does, for the kernel then kills the child, as
// it does when this program dies. What the command itself started, and left behind, is not killed
// then.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "client/ctl/console.h"

namespace objpool::client {

class Child {
 public:
  // As env(1).
  static constexpr Exit kCannotRun{126};
  static constexpr Exit kNotFound{127};

  // Runs `words`, found on the path as shells do, with `environment`, NAME=VALUE each. False, and
  // in `error` the errno, where it cannot be run.
  [[nodiscard]] bool Start(const std::vector<std::string>& words,
                           const std::vector<std::string>& environment, int& error);

  // Hands a signal on. What ends programs goes to the whole group.
  void Forward(int signal, bool of_terminal) const;
  // As Forward, and stopped ones go on to hear it.
  void End(int signal) const;
  // How it ended, in the way of shells, 128 + signal; nothing while it runs. Where `with_group`,
  // what it left behind in its group is killed first. Not to be asked again once it has ended.
  [[nodiscard]] std::optional<Exit> Ended(bool with_group);

 private:
  [[noreturn]] void BecomeCommand(const std::vector<char*>& words,
                                  const std::vector<char*>& environment, int report) const;

  pid_t id_ = -1;
  bool own_group_ = false;
};

}  // namespace objpool::client
