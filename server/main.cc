// objpoold: leases pooled handles over gRPC until it is told to stop.
//
// Exit codes: 0 stopped as asked, 1 could not start or stop cleanly, 2 bad configuration or flags.
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <variant>

#include "server/config/flags.h"
#include "server/server.h"

namespace {

using objpool::server::Config;
using objpool::server::Server;

// The signals that end the server. Blocked in every thread, so that they come to the waiting one.
sigset_t BlockStopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

void Say(const std::string& line) { std::fprintf(stderr, "objpoold: %s\n", line.c_str()); }

// The client beside this binary, else the one on the path.
std::string ClientCommand() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = self.parent_path() / "objpoolctl";
  return !error && std::filesystem::exists(beside, error) ? beside.string() : "objpoolctl";
}

void Greet(const Server& server, const Config& config) {
  for (const std::string& line : server.Describe()) Say(line);
  Say("try: " + ClientCommand() + " --server=" + server.address() + " lease " +
      config.pools.front().name);
}

// Serves renewals and returns while grants run, for at most the grace. True when a second signal
// asked for more haste.
bool WaitForHolders(const Server& server, std::chrono::milliseconds grace,
                    const sigset_t& signals) {
  constexpr timespec kPatience = {.tv_sec = 0, .tv_nsec = 20'000'000};
  const auto deadline = std::chrono::steady_clock::now() + grace;
  while (server.ActiveGrants() > 0 && std::chrono::steady_clock::now() < deadline) {
    if (sigtimedwait(&signals, nullptr, &kPatience) > 0) return true;
  }
  return false;
}

int Serve(const Config& config, const sigset_t& signals) {
  std::string why;
  const auto server = Server::Start(config, why);
  if (server == nullptr) {
    Say(why);
    return 1;
  }
  Greet(*server, config);
  int signal = 0;
  sigwait(&signals, &signal);
  server->Drain();
  const uint64_t held = server->ActiveGrants();
  Say(std::string(strsignal(signal)) + ": stopping" +
      (held == 0 ? ""
                 : "; waiting for " + std::to_string(held) +
                       " grants to come back; a second signal stops at once"));
  const bool haste = WaitForHolders(*server, config.shutdown_grace, signals);
  const auto grace = haste ? std::chrono::milliseconds(0) : config.shutdown_grace;
  if (!server->Stop(grace, why)) {
    Say(why);
    return 1;
  }
  Say("stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // A client that goes away while it is written to is no reason to end.
  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = BlockStopSignals();
  const auto parsed = objpool::server::ParseCommandLine(argc, argv);
  if (const auto* const exit = std::get_if<objpool::server::Exit>(&parsed)) {
    std::fputs(exit->out.c_str(), stdout);
    std::fputs(exit->err.c_str(), stderr);
    return exit->code;
  }
  return Serve(std::get<Config>(parsed), signals);
}
