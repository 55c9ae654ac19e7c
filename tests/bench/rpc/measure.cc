#include "tests/bench/rpc/measure.h"

#include <algorithm>
#include <chrono>

namespace objpool::bench {
namespace {

constexpr double kNsPerUs = 1e3;
constexpr double kNsPerS = 1e9;
constexpr int kMaxTries = 100;

Sample Broken(std::string why) {
  Sample sample;
  sample.broken = std::move(why);
  return sample;
}

Sample MeasureLoad(ServerProcess& server, const Pace& pace, load::LoadLoop& load) {
  if (pace.spin) load.Spin();
  std::string why;
  const auto warmup =
      std::max<std::chrono::nanoseconds>(pace.time / 5, std::chrono::milliseconds(20));
  if (!load.RunFor(warmup, false, why)) return Broken(why);
  const CpuTime before = server.Cpu();
  const uint64_t begin = load::EventLoop::NowNs();
  // Of a short time a slow server may need several for one cycle.
  for (int tries = 0; load.tally().cycles == 0 && tries < kMaxTries; ++tries) {
    if (!load.RunFor(pace.time, true, why)) return Broken(why);
  }
  const auto wall = static_cast<double>(load::EventLoop::NowNs() - begin);
  const CpuTime behind = server.Cpu();
  if (!load.Finish(why)) return Broken(why);
  const load::Tally& tally = load.tally();
  if (tally.calls_failed != 0) {
    return Broken(std::to_string(tally.calls_failed) + " calls failed: " + tally.first_failure);
  }
  if (tally.cycles == 0) return Broken("not one cycle in time");
  const auto cycles = static_cast<double>(tally.cycles);
  Sample sample;
  sample.cycles_per_s = cycles / (wall / kNsPerS);
  sample.server_cpu_us = static_cast<double>(behind.ran_ns - before.ran_ns) / kNsPerUs / cycles;
  sample.p50_us = static_cast<double>(tally.cycle_ns.Quantile(0.5)) / kNsPerUs;
  sample.p99_us = static_cast<double>(tally.cycle_ns.Quantile(0.99)) / kNsPerUs;
  sample.waited_share = static_cast<double>(behind.waited_ns - before.waited_ns) / wall;
  return sample;
}

}  // namespace

Sample Measure(ServerProcess& server, const Pace& pace, const LoadMaker& make_load,
               const std::function<std::string()>& after) {
  server.Resume();
  std::string why;
  Sample sample;
  if (const auto load = make_load(why); load != nullptr) {
    sample = MeasureLoad(server, pace, *load);
  } else {
    sample.broken = why;
  }
  if (sample.broken.empty() && after) sample.broken = after();
  server.Pause();
  return sample;
}

}  // namespace objpool::bench
