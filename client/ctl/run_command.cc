// lease with a command: the command runs with the handle, and the handle comes back at its end.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ostream>

#include "client/ctl/child.h"
#include "client/ctl/commands.h"
#include "client/ctl/losses.h"
#include "client/ctl/signal_pipe.h"
#include "client/keeper.h"

namespace objpool::client {
namespace {

void AddList(std::string_view one, std::string_view all, char separator,
             const std::vector<std::string>& values, std::vector<std::string>& environment) {
  if (values.empty()) return;
  environment.push_back(std::string(one) + '=' + values[0]);
  std::string list;
  for (const std::string& value : values)
    list += (list.empty() ? "" : std::string(1, separator)) + value;
  environment.push_back(std::string(all) + '=' + list);
}

// That of this program, with the grants in the place of what it had of others.
std::vector<std::string> EnvironmentWith(std::span<const Grant> grants, const Target& target) {
  constexpr std::array kOurs = {
      "OBJPOOL_SERVER=", "OBJPOOL_POOL=",   "OBJPOOL_ID=",     "OBJPOOL_IDS=",
      "OBJPOOL_LABEL=",  "OBJPOOL_LABELS=", "OBJPOOL_HANDLE=", "OBJPOOL_HANDLES=",
      "OBJPOOL_FENCE=",  "OBJPOOL_FENCES=", "OBJPOOL_REF=",    "OBJPOOL_REFS="};
  std::vector<std::string> environment;
  for (char* const* entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto ours = [text](std::string_view name) { return text.starts_with(name); };
    if (std::none_of(kOurs.begin(), kOurs.end(), ours)) environment.emplace_back(text);
  }
  std::vector<std::string> ids;
  std::vector<std::string> labels;
  std::vector<std::string> handles;
  std::vector<std::string> fences;
  std::vector<std::string> refs;
  for (const Grant& grant : grants) {
    if (grant.value().has_id()) ids.push_back(std::to_string(grant.value().id()));
    if (grant.value().has_label()) labels.push_back(grant.value().label());
    handles.push_back(std::to_string(grant.ref().handle));
    fences.push_back(std::to_string(grant.ref().fence));
    refs.push_back(FormatRef(grant.ref()));
  }
  environment.push_back("OBJPOOL_SERVER=" + target.server);
  environment.push_back("OBJPOOL_POOL=" + grants[0].ref().pool);
  AddList("OBJPOOL_ID", "OBJPOOL_IDS", ',', ids, environment);
  // A label may have commas.
  AddList("OBJPOOL_LABEL", "OBJPOOL_LABELS", '\n', labels, environment);
  AddList("OBJPOOL_HANDLE", "OBJPOOL_HANDLES", ',', handles, environment);
  AddList("OBJPOOL_FENCE", "OBJPOOL_FENCES", ',', fences, environment);
  AddList("OBJPOOL_REF", "OBJPOOL_REFS", ',', refs, environment);
  return environment;
}

// Waits for the command and hands on what concerns it.
class Attendant {
 public:
  Attendant(const RunOptions& options, Child& child, SignalPipe& signals, Losses& losses,
            Console& console)
      : options_(options), child_(child), signals_(signals), losses_(losses), console_(console) {}

  Exit Attend() {
    while (true) {
      std::array<pollfd, 2> files = {{{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                                      {.fd = losses_.fd(), .events = POLLIN, .revents = 0}}};
      if (::poll(files.data(), files.size(), Timeout()) == 0) Kill();
      HandOnSignals();
      // What was lost before the command ended was lost to it.
      NoteLosses();
      if (const auto exit = child_.Ended(losing_)) return losing_ ? Exit::kLost : *exit;
    }
  }

 private:
  [[nodiscard]] int Timeout() const {
    if (!losing_ || killed_) return -1;
    const auto left = std::chrono::ceil<Milliseconds>(kill_at_ - LeaseClock::now());
    return static_cast<int>(std::clamp(left, Milliseconds(0), kMaxDuration).count());
  }

  void HandOnSignals() {
    for (auto signal = signals_.Next(); signal.number != 0; signal = signals_.Next()) {
      if (signal.number != SIGCHLD) child_.Forward(signal.number, signal.of_terminal);
    }
  }

  void NoteLosses() {
    for (const std::string& loss : losses_.Take()) {
      if (options_.on_loss == LossRule::kIgnore) continue;
      const bool ends = options_.on_loss == LossRule::kKill && !losing_;
      static_cast<void>(Fail(console_, Exit::kLost, loss + (ends ? "; ending the command" : "")));
      console_.err.flush();
      if (!ends) continue;
      losing_ = true;
      kill_at_ = LeaseClock::now() + options_.kill_after;
      child_.End(SIGTERM);
    }
  }

  void Kill() {
    killed_ = true;
    child_.End(SIGKILL);
  }

  const RunOptions& options_;
  Child& child_;
  SignalPipe& signals_;
  Losses& losses_;
  Console& console_;
  bool losing_ = false;  // the command was told to end
  bool killed_ = false;
  LeaseClock::time_point kill_at_{};
};

// Handles that were to be cleaned are clean only where the command says so. Returns `exit`, or what
// it became because a handle turned out to be lost.
Exit GiveBack(std::vector<Grant>& grants, Exit exit, bool dirty, LossRule rule,
              const ClientOptions& client, Console& console) {
  for (Grant& grant : grants) {
    if (dirty && exit != Exit::kOk) grant.SetDisposition(v1::DISPOSITION_DIRTY);
    if (grant.lost()) continue;
    const std::string name = WithoutKey(grant.ref());
    const Error error = grant.Return();
    if (error.ok()) continue;
    const bool over = IsOver(error);
    if (over && rule == LossRule::kIgnore) continue;
    static_cast<void>(Fail(console, ExitOf(error), name + ": " + Explain(error, client)));
    if (over && rule == LossRule::kKill) exit = Exit::kLost;
    // Who did not answer once is not waited for a thousand times; the Keeper tries once more.
    if (error.origin != Error::Origin::kServer) break;
  }
  return exit;
}

}  // namespace

Exit RunLeased(const LeaseOptions& options, const RunOptions& run, const Target& target,
               Console& console) {
  const Client client(OptionsOf(target));
  Losses losses;
  Keeper keeper(client);
  auto leased = keeper.Lease(RequestOf(options), [&](const Ref& ref, const Error& why) {
    losses.Add("lost " + WithoutKey(ref) + ": " + Explain(why, client.options()));
  });
  if (!leased.ok()) return Fail(console, leased.error, client.options());
  // From here on the handles come back; what ends this program earlier leaves them to their TTL.
  Exit exit = Exit::kOk;
  {
    SignalPipe signals({SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2});
    console.out.flush();
    console.err.flush();
    Child child;
    int error = 0;
    if (child.Start(run.command, EnvironmentWith(leased.value, target), error)) {
      exit = Attendant(run, child, signals, losses, console).Attend();
    } else {
      exit = Fail(console, error == ENOENT ? Child::kNotFound : Child::kCannotRun,
                  "cannot run " + run.command[0] + ": " + std::strerror(error));
    }
    exit = GiveBack(leased.value, exit, options.dirty, run.on_loss, client.options(), console);
    leased.value.clear();
  }
  return exit;
}

}  // namespace objpool::client
