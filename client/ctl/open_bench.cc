#include "client/ctl/open_bench.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iomanip>
#include <memory>
#include <ostream>
#include <random>
#include <sstream>
#include <string>

#include "client/ctl/open_page.h"
#include "client/ctl/open_report.h"
#include "client/ctl/progress_line.h"
#include "client/load/open_loop.h"
#include "client/text.h"

namespace objpool::client {
namespace {

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
                                  load::Ledger* ledger) {
  load::OpenLoopOptions load;
  load.address = AddressOf(server);
  load.pool = options.pool;
  load.arrivals = {.rate = options.rate, .random = !options.uniform, .ramp_ns = Ns(options.ramp)};
  load.connections = options.connections;
  load.batch = options.batch;
  load.ttl_ms = static_cast<uint64_t>(options.ttl.count());
  load.hold = options.hold;
  load.hold_times = HoldTimesOf(options.hold_distribution);
  load.renews = options.renews;
  load.warmup = options.warmup;
  load.duration = options.duration;
  load.seed = options.seed != 0 ? options.seed : std::random_device()();
  load.ledger = ledger;
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

Exit CannotWrite(const std::string& path, Console& console) {
  return Fail(console, Exit::kRefused,
              "cannot write " + Printable(path) + ": " + std::strerror(errno));
}

Exit SavePage(const OpenReport& report, Console& console) {
  const std::string& path = report.options.html;
  if (path.empty()) return Exit::kOk;
  std::ofstream page(path, std::ios::trunc);
  WritePage(report, page);
  page.close();
  return page ? Exit::kOk : CannotWrite(path, console);
}

}  // namespace

Exit RunOpenBench(const BenchOptions& options, const Target& target, Console& console,
                  bool (*interrupted)()) {
  if (target.tls) return Fail(console, Exit::kUsage, "--rate: makes no encrypted connections");
  // Before the run, so that nobody waits for it in vain. What is there stays until then.
  if (!options.html.empty() && !std::ofstream(options.html, std::ios::app)) {
    return CannotWrite(options.html, console);
  }
  const Client client(OptionsOf(target));
  const Result<v1::Pool> pool = client.GetPool(options.pool);
  if (!pool.ok()) return Fail(console, pool.error, client.options());
  const auto before = client.GetPoolStats(options.pool);
  if (!before.ok()) return Fail(console, before.error, client.options());
  std::unique_ptr<load::Ledger> ledger;
  if (options.verify) {
    ledger = MakeLedger(options, pool.value, console);
    if (ledger == nullptr) return Exit::kRefused;
  }
  std::string why;
  const auto result = [&] {
    OpenProgress progress(console, options.progress);
    load::OpenLoopOptions load = LoadOptions(options, target.server, ledger.get());
    load.on_second = [&](const load::OpenLoopSecond& second) { progress.Show(second); };
    return load::RunOpenLoop(load, interrupted, why);
  }();
  if (result == nullptr) return Fail(console, Exit::kUnreachable, why);
  const auto after = client.GetPoolStats(options.pool);
  if (!after.ok()) return Fail(console, after.error, client.options());
  if (ledger != nullptr) {
    ledger->Reconcile(after.value.granted() - before.value.granted(),
                      after.value.returned() - before.value.returned());
  }
  const OpenReport report = {.options = options,
                             .server = target.server,
                             .result = *result,
                             .ledger = ledger.get(),
                             .delta = DeltaOf(before.value, after.value),
                             .interrupted = interrupted()};
  if (target.json) {
    WriteJson(report, console.out);
  } else {
    WriteText(report, console.out);
  }
  if (const Exit flushed = Flush(console); flushed != Exit::kOk) return flushed;
  if (const Exit saved = SavePage(report, console); saved != Exit::kOk) return saved;
  if (ledger != nullptr && ledger->violations() != 0) return Exit::kViolated;
  if (report.interrupted) return Exit::kInterrupted;
  if (!result->WhyInvalid().empty()) return Exit::kInvalid;
  return result->failed == 0 ? Exit::kOk : Exit::kRefused;
}

}  // namespace objpool::client
