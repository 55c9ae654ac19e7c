#include "client/ctl/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace objpool::client {
namespace {

bool InForeground() {
  const int terminal = ::open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) return false;
  const bool foreground = ::tcgetpgrp(terminal) == ::getpgrp();
  ::close(terminal);
  return foreground;
}

// As exec wants them. They point into `words`.
std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

bool EndsPrograms(int signal) {
  return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

}  // namespace

bool Child::Start(const std::vector<std::string>& words,
                  const std::vector<std::string>& environment, int& error) {
  const std::vector<char*> argv = Pointers(words);
  const std::vector<char*> envp = Pointers(environment);
  own_group_ = !InForeground();
  std::array<int, 2> report{};
  if (::pipe2(report.data(), O_CLOEXEC) != 0) {
    error = errno;
    return false;
  }
  // No handler of this program may run in the child.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t parent = ::getpid();
  id_ = ::fork();
  if (id_ == 0) {
    // From here to exec only what is safe after a fork of many threads.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action {};
      if (::sigaction(signal, nullptr, &action) != 0) continue;
      // Ignored signals stay so over exec: main ignores SIGPIPE, which the command should not.
      if (action.sa_handler == SIG_IGN && signal != SIGPIPE) continue;
      action.sa_handler = SIG_DFL;
      ::sigaction(signal, &action, nullptr);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    BecomeCommand(argv, envp, report[1]);
  }
  error = errno;
  // Here too, so that it is so before the first signal is handed on.
  if (id_ > 0 && own_group_) ::setpgid(id_, id_);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(report[1]);
  // Nothing comes where exec went well.
  const bool failed =
      id_ < 0 || ::read(report[0], &error, sizeof(error)) == static_cast<ssize_t>(sizeof(error));
  ::close(report[0]);
  if (failed && id_ > 0) ::waitpid(id_, nullptr, 0);
  return !failed;
}

void Child::BecomeCommand(const std::vector<char*>& words, const std::vector<char*>& environment,
                          int report) const {
  if (own_group_) ::setpgid(0, 0);
  ::execvpe(words[0], words.data(), environment.data());
  const int error = errno;
  static_cast<void>(::write(report, &error, sizeof(error)) < 0);
  ::_exit(127);
}

void Child::Forward(int signal, bool of_terminal) const {
  // The terminal has told the whole group.
  if (of_terminal && !own_group_) return;
  ::kill(own_group_ && EndsPrograms(signal) ? -id_ : id_, signal);
}

void Child::End(int signal) const {
  const pid_t whom = own_group_ ? -id_ : id_;
  ::kill(whom, signal);
  ::kill(whom, SIGCONT);
}

std::optional<Exit> Child::Ended(bool with_group) {
  siginfo_t info{};
  // Not taken yet: its number stays that of its group.
  if (::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0) {
    return std::nullopt;
  }
  if (with_group && own_group_) ::kill(-id_, SIGKILL);
  int status = 0;
  ::waitpid(id_, &status, 0);
  return static_cast<Exit>(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

}  // namespace objpool::client
