#include "client/ctl/signal_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "pool/base/check.h"

namespace objpool::client {
namespace {

// Where the handler writes; -1: nowhere.
volatile std::sig_atomic_t pipe_end = -1;

// Two bytes for each signal, written at once.
void Handle(int number, siginfo_t* info, void*) {
  const int before = errno;
  const std::array<char, 2> record = {static_cast<char>(number),
                                      static_cast<char>(info->si_code > 0 ? 1 : 0)};
  // A full pipe is full of signals.
  if (::write(pipe_end, record.data(), record.size()) < 0) errno = before;
  errno = before;
}

}  // namespace

SignalPipe::SignalPipe(std::initializer_list<int> signals) {
  std::array<int, 2> ends{};
  OBJPOOL_CHECK(pipe_end == -1, "one pipe of signals at a time");
  OBJPOOL_CHECK(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0, "no file is left to be opened");
  read_ = ends[0];
  write_ = ends[1];
  pipe_end = write_;
  struct sigaction action {};
  action.sa_sigaction = Handle;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  for (const int number : signals) {
    struct sigaction old {};
    ::sigaction(number, nullptr, &old);
    if (old.sa_handler == SIG_IGN && number != SIGCHLD) continue;
    ::sigaction(number, &action, &old);
    before_.emplace_back(number, old);
  }
}

SignalPipe::~SignalPipe() {
  for (const auto& [number, old] : before_) ::sigaction(number, &old, nullptr);
  pipe_end = -1;
  ::close(read_);
  ::close(write_);
}

SignalPipe::Signal SignalPipe::Next() {
  std::array<char, 2> record{};
  if (::read(read_, record.data(), record.size()) != static_cast<ssize_t>(record.size())) return {};
  return {.number = record[0], .of_terminal = record[1] != 0};
}

}  // namespace objpool::client
