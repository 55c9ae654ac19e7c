#include "tests/bench/rpc/server_process.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace objpool::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kStartDeadline(30);
constexpr std::chrono::seconds kStopDeadline(10);
constexpr int kLookEveryMs = 5;
constexpr int kCannotRun = 127;

// In the child: becomes the program, or ends.
[[noreturn]] void Become(const std::vector<std::string>& words, uint32_t cpu, int log) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  ::sched_setaffinity(0, sizeof(set), &set);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  ::_exit(kCannotRun);
}

std::string LastLines(const std::string& path) {
  constexpr std::size_t kMost = 500;
  std::ifstream file(path);
  std::ostringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  return text.size() <= kMost ? text : text.substr(text.size() - kMost);
}

}  // namespace

std::unique_ptr<ServerProcess> ServerProcess::Start(const std::vector<std::string>& words,
                                                    uint32_t cpu, const std::string& log,
                                                    std::string& why) {
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const pid_t pid = file < 0 ? -1 : ::fork();
  if (pid == 0) Become(words, cpu, file);
  if (pid < 0) why = words[0] + ": " + std::strerror(errno);
  if (file >= 0) ::close(file);
  if (pid < 0) return nullptr;
  return std::unique_ptr<ServerProcess>(new ServerProcess(pid, log));
}

ServerProcess::~ServerProcess() {
  Resume();
  if (!Ended()) ::kill(pid_, SIGTERM);
  for (const auto end = Clock::now() + kStopDeadline; !Ended();) {
    if (Clock::now() > end) ::kill(pid_, SIGKILL);
    ::poll(nullptr, 0, kLookEveryMs);
  }
}

bool ServerProcess::Ended() {
  if (!ended_) ended_ = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
  return ended_;
}

bool ServerProcess::WaitUntil(const std::function<bool()>& up, std::string& why) {
  for (const auto end = Clock::now() + kStartDeadline; !up();) {
    if (Ended() || Clock::now() > end) {
      why = "it does not start: " + LastLines(log_);
      return false;
    }
    ::poll(nullptr, 0, kLookEveryMs);
  }
  return true;
}

void ServerProcess::Pause() {
  if (!Ended()) ::kill(pid_, SIGSTOP);
}

void ServerProcess::Resume() {
  if (!Ended()) ::kill(pid_, SIGCONT);
}

CpuTime ServerProcess::Cpu() const {
  CpuTime sum;
  std::error_code error;
  const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    std::ifstream file(task.path() / "schedstat");
    CpuTime one;
    if (!(file >> one.ran_ns >> one.waited_ns)) continue;  // it ended meanwhile
    sum.ran_ns += one.ran_ns;
    sum.waited_ns += one.waited_ns;
  }
  return sum;
}

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  // A line without an end may still be written.
  return std::getline(file, line) && !file.eof() ? line : std::string();
}

bool IsInstalled(const std::string& program) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access(folder.append("/").append(program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

uint16_t FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool bound = ::bind(fd, any, size) == 0 && ::getsockname(fd, any, &size) == 0;
  ::close(fd);
  return bound ? ntohs(address.sin_port) : uint16_t{0};
}

}  // namespace objpool::bench
