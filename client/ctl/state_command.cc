// state: hands a folder over to objpoold, which alone knows what its files mean.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <system_error>

#include "client/ctl/commands.h"

namespace objpool::client {
namespace {

constexpr const char* kServer = "objpoold";

// A path with a slash is not looked for.
std::string ServerCommand() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = self.parent_path() / kServer;
  return !error && std::filesystem::exists(beside, error) ? beside.string() : kServer;
}

}  // namespace

Exit RunState(const StateOptions& options, const Target& target, Console& console) {
  // It writes where this program writes, after what is written so far.
  console.out.flush();
  console.err.flush();
  std::string server = ServerCommand();
  std::string folder = (options.verify ? "--verify_state=" : "--dump_state=") + options.folder;
  std::string output = target.json ? "--output=json" : "--output=text";
  const std::array<char*, 4> arguments = {server.data(), folder.data(), output.data(), nullptr};
  pid_t child = 0;
  const int error =
      ::posix_spawnp(&child, server.c_str(), nullptr, nullptr, arguments.data(), environ);
  if (error != 0) {
    return Fail(console, Exit::kUsage, "cannot run " + server + ": " + std::strerror(error));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return Fail(console, Exit::kUsage, "lost " + server);
  }
  if (WIFEXITED(status)) return static_cast<Exit>(WEXITSTATUS(status));
  return Fail(console, Exit::kUsage,
              server + " was ended by signal " + std::to_string(WTERMSIG(status)));
}

}  // namespace objpool::client
