#include "client/ctl/open_run.h"

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>

#include "client/ctl/open_scenario.h"
#include "client/ctl/progress_line.h"
#include "client/ctl/table.h"

namespace objpool::client {
namespace {

using Clock = std::chrono::steady_clock;

// How long a grant may outlive its time where the server is busy.
constexpr Milliseconds kSweepPatience{10'000};
constexpr Milliseconds kLook{20};

load::HoldTimes HoldTimesOf(HoldDistribution distribution) {
  switch (distribution) {
    case HoldDistribution::kFixed:
      return load::HoldTimes::kFixed;
    case HoldDistribution::kUniform:
      return load::HoldTimes::kUniform;
    case HoldDistribution::kExponential:
      return load::HoldTimes::kExponential;
  }
  return load::HoldTimes::kFixed;
}

uint64_t Ns(Milliseconds time) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(time).count());
}

// The scheme that gRPC's addresses may have is none of a socket's.
std::string AddressOf(const std::string& server) {
  const std::string scheme = "dns:///";
  return server.starts_with(scheme) ? server.substr(scheme.size()) : server;
}

load::OpenLoopOptions LoadOptions(const BenchOptions& options, const std::string& server,
                                  uint64_t capacity, load::Ledger* ledger) {
  load::OpenLoopOptions load;
  load.address = AddressOf(server);
  load.pool = options.pool;
  load.arrivals = {.rate = options.rate, .random = !options.uniform, .ramp_ns = Ns(options.ramp)};
  load.threads = options.threads;
  load.connections = options.connections;
  load.batch = options.batch;
  load.ttl_ms = static_cast<uint64_t>(options.ttl.count());
  load.hold = options.hold;
  load.hold_times = HoldTimesOf(options.hold_distribution);
  load.renews = options.renews;
  load.renew_rate = options.renew_rate;
  load.return_rate = options.return_rate;
  load.stream = options.stream;
  load.warmup = options.warmup;
  load.duration = options.duration;
  load.seed = options.seed != 0 ? options.seed : std::random_device()();
  load.ledger = ledger;
  SetScenario(capacity, options, load);
  return load;
}

const char* WordOf(load::OpenLoopPhase phase) {
  switch (phase) {
    case load::OpenLoopPhase::kRamp:
      return "ramp";
    case load::OpenLoopPhase::kWarmup:
      return "warm-up";
    case load::OpenLoopPhase::kMeasured:
      return "measuring";
    case load::OpenLoopPhase::kEnd:
      return "the end";
  }
  return "";
}

// Shows each second at its end.
class OpenProgress {
 public:
  OpenProgress(Console& console, bool always) : line_(console, always) {}
  ~OpenProgress() { line_.Clear(); }
  OpenProgress(const OpenProgress&) = delete;
  OpenProgress& operator=(const OpenProgress&) = delete;

  void Show(const load::OpenLoopSecond& second) {
    ++seconds_;
    if (!line_.wanted()) return;
    const auto us = [](uint64_t ns) { return Decimal(static_cast<double>(ns) / 1000, 0); };
    std::ostringstream line;
    line << std::setw(4) << seconds_ << " s  " << WordOf(second.phase) << "  " << second.leased
         << " leases/s  p50 " << us(second.p50_ns) << " us  p99 " << us(second.p99_ns)
         << " us  max " << us(second.max_ns) << " us  " << second.exhausted << " exhausted  "
         << second.failed << " failed";
    line_.Show(line.str());
  }

 private:
  ProgressLine line_;
  uint64_t seconds_ = 0;
};

// The ledger of a pool of which all handles are free; null, after saying why.
std::unique_ptr<load::Ledger> MakeLedger(const BenchOptions& options, const v1::Pool& pool,
                                         Console& console) {
  if (pool.free() != pool.capacity()) {
    (void)Fail(console, Exit::kRefused,
               "--verify needs a pool for itself, and of " + options.pool + " " +
                   std::to_string(pool.capacity() - pool.free()) + " handles are not free");
    return nullptr;
  }
  return std::make_unique<load::Ledger>(static_cast<uint32_t>(pool.capacity()),
                                        static_cast<uint64_t>(options.ttl.count()));
}

// Waits until no more is leased than before; how long that took, unless it is too long.
Exit AwaitExpiry(const Client& client, uint64_t leased_before, Console& console, OpenRun& run) {
  const Clock::time_point begin = Clock::now();
  const Clock::time_point give_up = begin + run.options.ttl + kSweepPatience;
  while (true) {
    const Result<v1::Pool> pool = client.GetPool(run.options.pool);
    if (!pool.ok()) return Fail(console, pool.error, client.options());
    const uint64_t more = pool.value.leased() - std::min(pool.value.leased(), leased_before);
    const bool over = more == 0 || Clock::now() >= give_up;
    if (!over) {
      std::this_thread::sleep_for(kLook);
      continue;
    }
    if (run.ledger != nullptr) run.ledger->StillLeased(more);
    if (more == 0) {
      run.came_back_s = std::chrono::duration<double>(Clock::now() - begin).count();
    } else if (run.ledger == nullptr) {
      return Fail(console, Exit::kRefused,
                  std::to_string(more) + " handles that broken connections held did not come back");
    }
    return Exit::kOk;
  }
}

}  // namespace

Exit RunOnce(const BenchOptions& given, const Target& target, Console& console,
             bool (*interrupted)(), OpenRun& run) {
  run.options = given;
  BenchOptions& options = run.options;
  ClientOptions client_options = OptionsOf(target);
  // Not one that a restart of the server broke.
  client_options.own_connection = true;
  const Client client(client_options);
  const Result<v1::Pool> pool = client.GetPool(options.pool);
  if (!pool.ok()) return Fail(console, pool.error, client.options());
  const uint64_t capacity = pool.value.capacity();
  std::string why = CompleteScenario(capacity, options);
  if (!why.empty()) return Fail(console, Exit::kUsage, why);
  const auto before = client.GetPoolStats(options.pool);
  if (!before.ok()) return Fail(console, before.error, client.options());
  if (options.verify) {
    run.ledger = MakeLedger(options, pool.value, console);
    if (run.ledger == nullptr) return Exit::kRefused;
  }
  {
    OpenProgress progress(console, options.progress);
    load::OpenLoopOptions load = LoadOptions(options, target.server, capacity, run.ledger.get());
    load.on_second = [&](const load::OpenLoopSecond& second) { progress.Show(second); };
    run.result = load::RunOpenLoop(load, interrupted, why);
  }
  if (run.result == nullptr) return Fail(console, Exit::kUnreachable, why);
  const Client after_client(client_options);
  if (run.result->breaks != 0) {
    const Exit exit = AwaitExpiry(after_client, pool.value.leased(), console, run);
    if (exit != Exit::kOk) return exit;
  }
  const auto after = after_client.GetPoolStats(options.pool);
  if (!after.ok()) return Fail(console, after.error, client.options());
  // A server that was started anew counts anew.
  if (run.ledger != nullptr && run.result->reconnects == 0) {
    run.ledger->Reconcile(after.value.granted() - before.value.granted(),
                          after.value.returned() - before.value.returned());
  }
  run.delta = DeltaOf(before.value, after.value);
  return Exit::kOk;
}

}  // namespace objpool::client
