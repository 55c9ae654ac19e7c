// bench: runs a load against the clock, shows how it goes, and reports.
#include <signal.h>

#include <algorithm>
#include <csignal>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "client/ctl/bench_report.h"
#include "client/ctl/commands.h"
#include "client/ctl/find_max.h"
#include "client/ctl/html_page.h"
#include "client/ctl/load.h"
#include "client/ctl/open_bench.h"
#include "client/ctl/progress_line.h"

namespace objpool::client {
namespace {

using Clock = std::chrono::steady_clock;

// How long an interrupt or the last cycle may go unnoticed.
constexpr Milliseconds kLook{20};

// A signal handler can reach nothing but a variable of the program.
volatile std::sig_atomic_t interrupted = 0;

// While it lives, the first Ctrl-C (or SIGTERM) is noted and the second ends the program.
class InterruptScope {
 public:
  InterruptScope() {
    interrupted = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, &old_int_);
    ::sigaction(SIGTERM, &action, &old_term_);
  }
  ~InterruptScope() {
    ::sigaction(SIGINT, &old_int_, nullptr);
    ::sigaction(SIGTERM, &old_term_, nullptr);
  }
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

 private:
  struct sigaction old_int_ {};
  struct sigaction old_term_ {};
};

// What each second of the load brought, which is shown where somebody looks.
class Seconds {
 public:
  Seconds(const Load& load, Console& console, bool always) : load_(load), line_(console, always) {}
  ~Seconds() { line_.Clear(); }
  Seconds(const Seconds&) = delete;
  Seconds& operator=(const Seconds&) = delete;

  // They are counted anew: what has come since the last whole one is of none.
  void Begin(bool measured) {
    measured_ = measured;
    before_ = Sum();
    next_ = Clock::now() + kSecond;
  }
  [[nodiscard]] Clock::time_point next() const { return next_; }
  void Look() {
    for (; Clock::now() >= next_; next_ += kSecond) Close();
  }
  [[nodiscard]] std::vector<BenchSecond> Take() { return std::move(seconds_); }

 private:
  static constexpr std::chrono::seconds kSecond{1};
  static constexpr std::size_t kMostSeconds = 3600;

  void Close() {
    const BenchSecond now = Sum();
    const BenchSecond second = {.measured = measured_,
                                .leased = now.leased - before_.leased,
                                .returned = now.returned - before_.returned,
                                .exhausted = now.exhausted - before_.exhausted,
                                .failed = now.failed - before_.failed};
    before_ = now;
    ++number_;
    if (seconds_.size() < kMostSeconds) seconds_.push_back(second);
    std::ostringstream line;
    line << std::setw(4) << number_ << " s  " << (measured_ ? "measuring" : "warm-up") << "  "
         << second.leased << " leases/s  " << now.exhausted << " exhausted  " << now.failed
         << " failed";
    line_.Show(line.str());
  }
  // Since the beginning of the load.
  [[nodiscard]] BenchSecond Sum() const {
    BenchSecond sum;
    for (const auto& cell : load_.cells()) {
      sum.leased += cell->lease_ok.value();
      sum.returned += cell->return_ok.value();
      sum.exhausted += cell->exhausted.value();
      sum.failed += cell->failed.value();
    }
    return sum;
  }

  const Load& load_;
  ProgressLine line_;
  bool measured_ = false;
  BenchSecond before_;
  Clock::time_point next_;
  uint64_t number_ = 0;
  std::vector<BenchSecond> seconds_;
};

// The pool of most capacity; of equals, the first by name.
Exit ChoosePool(const Client& client, std::string& pool, Console& console) {
  const Result<std::vector<v1::Pool>> pools = client.ListPools();
  if (!pools.ok()) return Fail(console, pools.error, client.options());
  if (pools.value.empty()) return Fail(console, Exit::kRefused, "the server has no pools");
  const auto less = [](const v1::Pool& a, const v1::Pool& b) {
    return a.capacity() < b.capacity();
  };
  pool = BarePool(std::max_element(pools.value.begin(), pools.value.end(), less)->name());
  return Exit::kOk;
}

// Runs the load through both phases, or until they are over for another reason.
void Watch(const BenchOptions& options, Load& load, Seconds& seconds) {
  const auto wait = [&](Clock::time_point until) {
    while (interrupted == 0 && !load.done() && Clock::now() < until) {
      std::this_thread::sleep_until(std::min({until, seconds.next(), Clock::now() + kLook}));
      seconds.Look();
    }
  };
  const bool warms_up = options.warmup.count() != 0;
  if (!warms_up) load.BeginMeasuring();
  load.Start();
  seconds.Begin(!warms_up);
  if (warms_up) wait(Clock::now() + options.warmup);
  if (interrupted == 0) {
    if (warms_up) {
      load.BeginMeasuring();
      seconds.Begin(true);
    }
    wait(options.count != 0 ? Clock::time_point::max() : Clock::now() + options.duration);
  }
  load.Stop();
}

Exit ExitOfReport(const BenchReport& report, const ClientOptions& options, Console& console) {
  if (report.calls_ok() == 0 && report.first_error()) {
    return Fail(console, *report.first_error(), options);
  }
  return report.failed() == 0 ? Exit::kOk : Exit::kRefused;
}

}  // namespace

Exit RunBench(const BenchOptions& given, const Target& target, Console& console) {
  BenchOptions options = given;
  ClientOptions client_options = OptionsOf(target);
  client_options.own_connection = true;
  std::vector<Client> connections;
  for (uint32_t c = 0; c < options.connections; ++c) connections.emplace_back(client_options);
  if (options.pool.empty()) {
    if (const Exit exit = ChoosePool(connections[0], options.pool, console); exit != Exit::kOk) {
      return exit;
    }
  }
  options.pool = BarePool(options.pool);
  if (options.open()) {
    const InterruptScope scope;
    if (target.tls) return Fail(console, Exit::kUsage, "--rate: makes no encrypted connections");
    const auto run = options.find_max_us > 0 ? RunFindMax : RunOpenBench;
    return run(options, target, console, [] { return interrupted != 0; });
  }
  if (const Exit exit = CheckPageFile(options.html, console); exit != Exit::kOk) return exit;
  // Connects them all, so that nobody measures a handshake.
  for (const Client& client : connections) {
    const Result<v1::Pool> pool = client.GetPool(options.pool);
    if (!pool.ok()) return Fail(console, pool.error, client_options);
  }
  const auto before = connections[0].GetPoolStats(options.pool);

  bool was_interrupted = false;
  Load load(options, connections);
  std::vector<BenchSecond> taken;
  {
    const InterruptScope scope;
    Seconds seconds(load, console, options.progress);
    Watch(options, load, seconds);
    load.Join();
    was_interrupted = interrupted != 0;
    taken = seconds.Take();
  }
  BenchReport report(options, target.server, load, std::move(taken));
  report.set_interrupted(was_interrupted);
  const auto after = connections[0].GetPoolStats(options.pool);
  if (before.ok() && after.ok()) report.set_server_delta(DeltaOf(before.value, after.value));
  if (target.json) {
    report.WriteJson(console.out);
  } else {
    report.WriteText(console.out);
  }
  const Exit saved = SavePage(
      options.html, [&](std::ostream& page) { report.WritePage(page); }, console);
  const Exit flushed = Flush(console);
  if (saved != Exit::kOk) return saved;
  if (was_interrupted) return Exit::kInterrupted;
  const Exit exit = ExitOfReport(report, client_options, console);
  return exit == Exit::kOk ? flushed : exit;
}

}  // namespace objpool::client
