// What one update of a metric costs, in nanoseconds: a line "NAME NS" for each kind. The best of
// many rounds, because whatever else the machine does only adds to it.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "pool/base/counter.h"
#include "pool/base/histogram.h"
#include "server/rpc/worker_stats.h"

namespace objpool {
namespace {

constexpr int kRounds = 200;
constexpr uint64_t kUpdates = 100'000;

template <typename Update>
double BestNs(Update update) {
  double best = std::numeric_limits<double>::max();
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (uint64_t i = 0; i < kUpdates; ++i) update(i);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count() / static_cast<double>(kUpdates));
  }
  return best;
}

int Run() {
  // As a call has them: one after the other, in one cache line or two.
  std::array<base::Counter, 8> counters;
  std::printf("counter %.3f\n", BestNs([&](uint64_t i) { counters[i % 8].Add(); }));
  base::Histogram<rpc::kLatencyBounds.size()> histogram(rpc::kLatencyBounds);
  std::printf("histogram %.3f\n",
              BestNs([&](uint64_t i) { histogram.Observe(i * 7919 % 400'000); }));
  // So that nothing of it is left out.
  return counters[0].value() + histogram.sum() == 0 ? 1 : 0;
}

}  // namespace
}  // namespace objpool

int main() { return objpool::Run(); }
