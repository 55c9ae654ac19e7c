// objpoold: leases pooled handles over gRPC until it is told to stop.
//
// Exit codes: 0 stopped as asked, 1 could not start or stop cleanly, 2 bad configuration or flags.
// Of --dump_state and --verify_state: see state_dump.h.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <thread>
#include <variant>

#include "server/config/flags.h"
#include "server/heartbeat.h"
#include "server/notify_socket.h"
#include "server/server.h"
#include "server/state_dump.h"

namespace {

using objpool::server::Config;
using objpool::server::Heartbeat;
using objpool::server::NotifySocket;
using objpool::server::Server;

// The signals that end the server, and SIGHUP. Blocked in every thread, so that they come to the
// waiting one.
sigset_t BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

void Say(const std::string& line) { std::fprintf(stderr, "objpoold: %s\n", line.c_str()); }

// The client beside this binary, else the one on the path.
std::string ClientCommand() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = self.parent_path() / "objpoolctl";
  if (error || !std::filesystem::exists(beside, error)) return "objpoolctl";
  // To be pasted into a shell.
  const std::string path = beside.string();
  return path.find_first_of(" '\"\\$&;()<>|*?`") == std::string::npos ? path : "'" + path + "'";
}

void Greet(const Server& server, const Config& config) {
  for (const std::string& line : server.Describe()) Say(line);
  Say("try: " + ClientCommand() + " --server=" + server.address() + " lease " +
      config.pools.front().name);
}

timespec ToTimespec(std::chrono::microseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  const std::chrono::nanoseconds rest = time - seconds;
  return {.tv_sec = seconds.count(), .tv_nsec = rest.count()};
}

// Waits for a signal to end while the heart beats and what comes about is told, and returns it.
int WaitForSignal(Server& server, Heartbeat& heartbeat, const sigset_t& signals) {
  constexpr std::chrono::microseconds kTellEvery = std::chrono::seconds(1);
  const timespec patience =
      ToTimespec(std::min(heartbeat.period().value_or(kTellEvery), kTellEvery));
  int signal = 0;
  do {
    heartbeat.Tick(Heartbeat::Clock::now());
    for (const std::string& line : server.TakeNews()) Say(line);
    signal = sigtimedwait(&signals, nullptr, &patience);
    if (signal != SIGHUP) continue;
    for (const std::string& line : server.Reload()) Say(line);
  } while (signal <= 0 || signal == SIGHUP);
  return signal;
}

// Waits for `done`, or for at most `time`. True when a signal asked for haste, as SIGHUP does not.
template <typename Done>
bool WaitOrSignal(std::chrono::milliseconds time, Heartbeat& heartbeat, const sigset_t& signals,
                  Done done) {
  constexpr timespec kPatience = {.tv_sec = 0, .tv_nsec = 20'000'000};
  const auto deadline = Heartbeat::Clock::now() + time;
  while (!done() && Heartbeat::Clock::now() < deadline) {
    heartbeat.Tick(Heartbeat::Clock::now());
    const int signal = sigtimedwait(&signals, nullptr, &kPatience);
    if (signal > 0 && signal != SIGHUP) return true;
  }
  return false;
}

// Serves renewals and returns while grants run, then stops. A signal skips all waiting.
bool Stop(Server& server, std::chrono::milliseconds grace, Heartbeat& heartbeat,
          const sigset_t& signals, std::string& why) {
  constexpr std::chrono::hours kLongerThanAnyStop(24);
  const auto returned = [&] { return server.ActiveGrants() == 0; };
  if (WaitOrSignal(grace, heartbeat, signals, returned)) server.Hurry();
  heartbeat.LetWorkersEnd();
  std::atomic<bool> stopped = false;
  bool clean = false;
  const auto stop = [&] {
    clean = server.Stop(grace, why);
    stopped = true;
  };
  std::jthread stopper;
  try {
    stopper = std::jthread(stop);
  } catch (const std::system_error&) {
    server.Hurry();
    stop();  // no thread to be had
  }
  const auto ended = [&] { return stopped.load(); };
  if (WaitOrSignal(kLongerThanAnyStop, heartbeat, signals, ended)) server.Hurry();
  if (stopper.joinable()) stopper.join();
  return clean;
}

void SayUnlessTold(bool told) {
  if (!told) Say(std::string("cannot tell the service manager: ") + std::strerror(errno));
}

int Serve(const Config& config, const sigset_t& signals) {
  std::string why;
  NotifySocket notify(NotifySocket::OfThisProcess(), why);
  if (!why.empty()) Say(why);
  const auto server = Server::Start(config, why);
  if (server == nullptr) {
    Say(why);
    return 1;
  }
  Greet(*server, config);
  SayUnlessTold(notify.Ready(server->Describe().front()));
  Heartbeat heartbeat(
      notify.watchdog(), [&] { return server->WorkerTurns(); },
      [&] { SayUnlessTold(notify.Alive()); });
  const int signal = WaitForSignal(*server, heartbeat, signals);
  server->Drain();
  const uint64_t held = server->ActiveGrants();
  const std::string waiting = held == 0 ? ""
                                        : "; waiting for " + std::to_string(held) +
                                              " grants to come back; a second signal stops at once";
  Say(std::string(strsignal(signal)) + ": stopping" + waiting);
  // Once for grants, once for calls under way, and what writing the state may take.
  constexpr std::chrono::seconds kWriting(10);
  SayUnlessTold(notify.Stopping("stopping" + waiting, 2 * config.shutdown_grace + kWriting));
  if (!Stop(*server, config.shutdown_grace, heartbeat, signals, why)) {
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
  const sigset_t signals = BlockSignals();
  const auto parsed = objpool::server::ParseCommandLine(argc, argv);
  if (const auto* const exit = std::get_if<objpool::server::Exit>(&parsed)) {
    std::fputs(exit->out.c_str(), stdout);
    std::fputs(exit->err.c_str(), stderr);
    if (std::fflush(stdout) == 0) return exit->code;
    Say(std::string("cannot write: ") + std::strerror(errno));
    return 1;
  }
  if (const auto* const state = std::get_if<objpool::server::StateCommand>(&parsed)) {
    return objpool::server::RunStateCommand(*state, std::cout, std::cerr);
  }
  return Serve(std::get<Config>(parsed), signals);
}
