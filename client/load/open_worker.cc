#include "client/load/open_worker.h"

#include <sys/prctl.h>

#include <algorithm>
#include <utility>

namespace objpool::load {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kAnswerPatienceNs = 60 * kSecondNs;  // for answers at the end

}  // namespace

OpenWorker::OpenWorker(const OpenLoopOptions& options, SecondTaker& seconds)
    : options_(options),
      seconds_(seconds),
      wires_({.address = options.address,
              .count = options.connections,
              .for_leases = options.lease_connections,
              .reconnects = options.reconnects,
              .stream = options.stream}) {}

void OpenWorker::Schedule(uint64_t begin_ns) {
  wires_.Wake();
  times_.begin_ns = begin_ns;
  times_.measure_from_ns = times_.begin_ns + options_.arrivals.ramp_ns + CountNs(options_.warmup);
  times_.measure_to_ns = times_.measure_from_ns + CountNs(options_.duration);
  second_ends_ns_ = times_.begin_ns + kSecondNs;
  const uint64_t every_ns = CountNs(options_.break_every);
  if (every_ns != 0) crash_at_ns_ = times_.begin_ns + every_ns;
}

void OpenWorker::CrashWhatIsDue() {
  if (wires_.now_ns() < crash_at_ns_) return;
  cycles_.Crash(static_cast<uint32_t>(result_->breaks++ % wires_.count()));
  crash_at_ns_ += CountNs(options_.break_every);
}

bool OpenWorker::Turn(uint64_t until_ns, std::string& why) {
  const bool runs = wires_.Turn(until_ns, why);
  if (wires_.now_ns() >= second_ends_ns_) CloseSecond();
  return runs;
}

OpenLoopPhase OpenWorker::PhaseOf(uint64_t from_ns, uint64_t to_ns) const {
  if (to_ns > times_.measure_to_ns) return OpenLoopPhase::kEnd;
  if (from_ns >= times_.measure_from_ns) return OpenLoopPhase::kMeasured;
  return from_ns < times_.begin_ns + options_.arrivals.ramp_ns ? OpenLoopPhase::kRamp
                                                               : OpenLoopPhase::kWarmup;
}

void OpenWorker::CloseSecond() {
  std::unique_ptr<base::LogHistogram> lease_ns;
  OpenLoopSecond second = cycles_.TakeSecond(lease_ns);
  second.phase = PhaseOf(second_ends_ns_ - kSecondNs, second_ends_ns_);
  seconds_.Take(second_++, second, std::move(lease_ns));
  second_ends_ns_ += kSecondNs;
}

// What arrives: leases, and what else has a rate of its own.
std::vector<OpenWorker::Flow> OpenWorker::Flows() const {
  std::vector<Flow> flows;
  const auto add = [&](double rate, void (OpenCycles::*begin)(uint64_t)) {
    Arrivals::Shape shape = options_.arrivals;
    shape.rate = rate;
    // Each draws for itself; the cycles take the seed behind the first.
    const uint64_t seed = options_.seed + (flows.empty() ? 0 : flows.size() + 1);
    if (rate > 0) flows.push_back({Arrivals(shape, seed, times_.begin_ns), begin});
  };
  add(options_.arrivals.rate, &OpenCycles::Begin);
  add(options_.renew_rate, &OpenCycles::RenewOne);
  add(options_.return_rate, &OpenCycles::ReturnOne);
  return flows;
}

// Begins what was meant to begin by now; when the next is.
uint64_t OpenWorker::Arrive(std::vector<Flow>& flows) {
  uint64_t next_ns = times_.measure_to_ns;
  for (Flow& flow : flows) {
    Arrivals& arrivals = flow.arrivals;
    for (; arrivals.next_ns() <= wires_.now_ns() && arrivals.next_ns() < times_.measure_to_ns;
         arrivals.Advance()) {
      (cycles_.*flow.begin)(arrivals.next_ns());
    }
    next_ns = std::min(next_ns, arrivals.next_ns());
  }
  return next_ns;
}

bool OpenWorker::Run(uint64_t begin_ns, const std::function<bool()>& stop, std::string& why) {
  // Timers of a microsecond, not the usual fifty.
  (void)::prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
  Schedule(begin_ns);
  std::vector<Flow> flows = Flows();
  while (wires_.now_ns() < times_.measure_to_ns && !stop()) {
    CrashWhatIsDue();
    cycles_.DoWhatIsDue();
    const uint64_t next_ns = Arrive(flows);
    if (!Turn(std::min({next_ns, cycles_.next_ns(), crash_at_ns_}), why)) return false;
  }
  // Also where the end was slept through.
  if (!stop()) (void)Arrive(flows);
  times_.measure_to_ns = std::min(times_.measure_to_ns, wires_.now_ns());
  if (wires_.now_ns() > times_.measure_from_ns) {
    result_->measured_s = static_cast<double>(times_.measure_to_ns - times_.measure_from_ns) / 1e9;
  }
  const bool done = RunOut(stop, why);
  result_->reconnects = wires_.reconnects();
  return done;
}

// What is held comes back in its time, or now where it has none or the run is stopped.
bool OpenWorker::RunOut(const std::function<bool()>& stop, std::string& why) {
  uint64_t give_up_ns = wires_.now_ns() + kAnswerPatienceNs;
  while (!cycles_.idle() && wires_.now_ns() < give_up_ns) {
    if (stop() || options_.return_rate > 0) cycles_.GiveAllBack();
    cycles_.DoWhatIsDue();
    const uint64_t next_ns = cycles_.next_ns();
    if (next_ns != UINT64_MAX) give_up_ns = std::max(give_up_ns, next_ns + kAnswerPatienceNs);
    if (!Turn(std::min(next_ns, give_up_ns), why)) return false;
  }
  if (!cycles_.idle()) why = "calls did not end";
  return cycles_.idle();
}

}  // namespace objpool::load
