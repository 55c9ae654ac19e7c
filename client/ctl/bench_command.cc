// bench: runs a load against the clock, shows how it goes, and reports.
#include <signal.h>

#include <algorithm>
#include <csignal>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <thread>

#include "client/ctl/bench_report.h"
#include "client/ctl/commands.h"
#include "client/ctl/find_max.h"
#include "client/ctl/load.h"
#include "client/ctl/open_bench.h"
#include "client/ctl/progress_line.h"

namespace objpool::client {
namespace {

using Clock = std::chrono::steady_clock;

// How long an interrupt or the last cycle may go unnoticed.
constexpr Milliseconds kLook{20};
constexpr std::chrono::seconds kProgressEvery{1};

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

// How the load goes, each second.
class Progress {
 public:
  Progress(Console& console, bool always) : line_(console, always) {}
  ~Progress() { line_.Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Show(const Load& load, std::string_view phase) {
    const Clock::time_point now = Clock::now();
    if (!line_.wanted() || now < next_) return;
    uint64_t leases = 0;
    uint64_t exhausted = 0;
    uint64_t failed = 0;
    for (const auto& cell : load.cells()) {
      leases += cell->lease_ok.value();
      exhausted += cell->exhausted.value();
      failed += cell->failed.value();
    }
    const double seconds = std::chrono::duration<double>(now - last_).count();
    std::ostringstream line;
    line << std::fixed << std::setprecision(0) << std::setw(4)
         << std::chrono::duration<double>(now - start_).count() << " s  " << phase << "  "
         << static_cast<double>(leases - leases_) / seconds << " leases/s  " << exhausted
         << " exhausted  " << failed << " failed";
    line_.Show(line.str());
    leases_ = leases;
    last_ = now;
    next_ = std::max(next_ + kProgressEvery, now);
  }

 private:
  ProgressLine line_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
  Clock::time_point next_ = start_ + kProgressEvery;
  uint64_t leases_ = 0;
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
void Watch(const BenchOptions& options, Load& load, Console& console) {
  Progress progress(console, options.progress);
  const auto wait = [&](Clock::time_point until, std::string_view phase) {
    while (interrupted == 0 && !load.done() && Clock::now() < until) {
      std::this_thread::sleep_until(std::min(until, Clock::now() + kLook));
      progress.Show(load, phase);
    }
  };
  const bool warms_up = options.warmup.count() != 0;
  if (!warms_up) load.BeginMeasuring();
  load.Start();
  if (warms_up) wait(Clock::now() + options.warmup, "warm-up");
  if (interrupted == 0) {
    if (warms_up) load.BeginMeasuring();
    wait(options.count != 0 ? Clock::time_point::max() : Clock::now() + options.duration,
         "measuring");
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
  // Connects them all, so that nobody measures a handshake.
  for (const Client& client : connections) {
    const Result<v1::Pool> pool = client.GetPool(options.pool);
    if (!pool.ok()) return Fail(console, pool.error, client_options);
  }
  const auto before = connections[0].GetPoolStats(options.pool);

  bool was_interrupted = false;
  Load load(options, connections);
  {
    const InterruptScope scope;
    Watch(options, load, console);
    load.Join();
    was_interrupted = interrupted != 0;
  }
  BenchReport report(options, target.server, load);
  report.set_interrupted(was_interrupted);
  const auto after = connections[0].GetPoolStats(options.pool);
  if (before.ok() && after.ok()) report.set_server_delta(DeltaOf(before.value, after.value));
  if (target.json) {
    report.WriteJson(console.out);
  } else {
    report.WriteText(console.out);
  }
  const Exit flushed = Flush(console);
  if (was_interrupted) return Exit::kInterrupted;
  const Exit exit = ExitOfReport(report, client_options, console);
  return exit == Exit::kOk ? flushed : exit;
}

}  // namespace objpool::client
