#include "client/load/open_loop.h"

#include <sys/prctl.h>

#include <algorithm>
#include <string>
#include <utility>

#include "client/load/event_loop.h"
#include "client/load/open_cycles.h"
#include "client/load/open_wires.h"

namespace objpool::load {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kPatienceNs = 60 * kSecondNs;  // for answers at the end
constexpr std::size_t kMostSeconds = 3600;

uint64_t Count(std::chrono::nanoseconds time) { return static_cast<uint64_t>(time.count()); }

class Loop {
 public:
  Loop(const OpenLoopOptions& options, OpenLoopResult& result)
      : options_(options),
        result_(result),
        wires_({.address = options.address,
                .count = options.connections,
                .for_leases = options.lease_connections,
                .reconnects = options.reconnects}) {}

  [[nodiscard]] bool Connect(std::string& why) { return wires_.Connect(cycles_, why); }
  [[nodiscard]] bool Run(StopFlag stop, std::string& why);

 private:
  void Schedule();
  [[nodiscard]] bool RunOut(StopFlag stop, std::string& why);
  void CrashWhatIsDue();
  [[nodiscard]] bool Turn(uint64_t until_ns, std::string& why);
  void CloseSecond();
  [[nodiscard]] OpenLoopPhase PhaseOf(uint64_t from_ns, uint64_t to_ns) const;

  const OpenLoopOptions& options_;
  OpenLoopResult& result_;
  OpenWires wires_;
  OpenLoopTimes times_;
  OpenCycles cycles_{options_, result_, wires_, times_};
  uint64_t second_ends_ns_ = 0;
  uint64_t crash_at_ns_ = UINT64_MAX;
};

void Loop::Schedule() {
  times_.begin_ns = wires_.now_ns();
  times_.measure_from_ns = times_.begin_ns + options_.arrivals.ramp_ns + Count(options_.warmup);
  times_.measure_to_ns = times_.measure_from_ns + Count(options_.duration);
  second_ends_ns_ = times_.begin_ns + kSecondNs;
  const uint64_t every_ns = Count(options_.break_every);
  if (every_ns != 0) crash_at_ns_ = times_.begin_ns + every_ns;
}

void Loop::CrashWhatIsDue() {
  if (wires_.now_ns() < crash_at_ns_) return;
  cycles_.Crash(static_cast<uint32_t>(result_.breaks++ % wires_.count()));
  crash_at_ns_ += Count(options_.break_every);
}

bool Loop::Turn(uint64_t until_ns, std::string& why) {
  const bool runs = wires_.Turn(until_ns, why);
  if (wires_.now_ns() >= second_ends_ns_) CloseSecond();
  return runs;
}

OpenLoopPhase Loop::PhaseOf(uint64_t from_ns, uint64_t to_ns) const {
  if (to_ns > times_.measure_to_ns) return OpenLoopPhase::kEnd;
  if (from_ns >= times_.measure_from_ns) return OpenLoopPhase::kMeasured;
  return from_ns < times_.begin_ns + options_.arrivals.ramp_ns ? OpenLoopPhase::kRamp
                                                               : OpenLoopPhase::kWarmup;
}

void Loop::CloseSecond() {
  OpenLoopSecond second = cycles_.TakeSecond();
  second.phase = PhaseOf(second_ends_ns_ - kSecondNs, second_ends_ns_);
  if (result_.seconds.size() < kMostSeconds) result_.seconds.push_back(second);
  if (options_.on_second) options_.on_second(second);
  second_ends_ns_ += kSecondNs;
}

bool Loop::Run(StopFlag stop, std::string& why) {
  // Timers of a microsecond, not the usual fifty.
  (void)::prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
  Schedule();
  Arrivals arrivals(options_.arrivals, options_.seed, times_.begin_ns);
  while (wires_.now_ns() < times_.measure_to_ns && !stop()) {
    CrashWhatIsDue();
    cycles_.DoWhatIsDue();
    for (; arrivals.next_ns() <= wires_.now_ns() && arrivals.next_ns() < times_.measure_to_ns;
         arrivals.Advance()) {
      cycles_.Begin(arrivals.next_ns());
    }
    const uint64_t until_ns =
        std::min({times_.measure_to_ns, arrivals.next_ns(), cycles_.next_ns(), crash_at_ns_});
    if (!Turn(until_ns, why)) return false;
  }
  times_.measure_to_ns = std::min(times_.measure_to_ns, wires_.now_ns());
  if (wires_.now_ns() > times_.measure_from_ns) {
    result_.measured_s = static_cast<double>(times_.measure_to_ns - times_.measure_from_ns) / 1e9;
  }
  const bool done = RunOut(stop, why);
  result_.reconnects = wires_.reconnects();
  return done;
}

// What is held comes back in its time, or now where the run is stopped.
bool Loop::RunOut(StopFlag stop, std::string& why) {
  uint64_t give_up_ns = wires_.now_ns() + kPatienceNs;
  while (!cycles_.idle() && wires_.now_ns() < give_up_ns) {
    if (stop()) cycles_.GiveAllBack();
    cycles_.DoWhatIsDue();
    const uint64_t next_ns = cycles_.next_ns();
    if (next_ns != UINT64_MAX) give_up_ns = std::max(give_up_ns, next_ns + kPatienceNs);
    if (!Turn(std::min(next_ns, give_up_ns), why)) return false;
  }
  if (!cycles_.idle()) why = "calls did not end";
  return cycles_.idle();
}

}  // namespace

std::unique_ptr<OpenLoopResult> RunOpenLoop(const OpenLoopOptions& options, StopFlag stop,
                                            std::string& why) {
  auto result = std::make_unique<OpenLoopResult>();
  Loop loop(options, *result);
  if (!loop.Connect(why) || !loop.Run(stop, why)) return nullptr;
  return result;
}

}  // namespace objpool::load
