#include "tests/bench/pool/tail.h"

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "pool/affinity.h"
#include "pool/base/check.h"
#include "pool/base/log_histogram.h"
#include "pool/pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"

namespace objpool::bench {
namespace {

constexpr uint32_t kTailThreads = 8;
constexpr uint32_t kTailCapacity = 96;
// Each thread wants 0 .. this many: 128 of 96 when all want most, so slots run dry all the time.
constexpr uint32_t kTailMostHeld = 16;
constexpr std::chrono::milliseconds kTailDuration{1500};

struct Times {
  base::LogHistogram local, stealing, none;  // ns of a pop, by how it went
};

uint64_t Stolen(const Pool& pool, SlotId slot) {
  const auto stolen = pool.Stats(slot).stolen_by;
  return std::accumulate(stolen.begin(), stolen.end(), uint64_t{0});
}

void Attach(Pool& pool, SlotId slot, uint32_t cpu) {
  std::string why;
  OBJPOOL_CHECK(PinThisThread(cpu, why), why.c_str());
  pool.Attach(slot);
}

// Goes from one wanted number of handles to the next, until the time is over.
void Lease(Pool& pool, SlotId slot, Times& times) {
  std::mt19937 random(slot);
  std::vector<Handle> held;
  uint64_t stolen = Stolen(pool, slot);
  const auto end = std::chrono::steady_clock::now() + kTailDuration;
  for (auto now = std::chrono::steady_clock::now(); now < end;) {
    const std::size_t wanted = random() % (kTailMostHeld + 1);
    while (held.size() > wanted) {
      pool.Push(slot, held.back());
      held.pop_back();
    }
    while (held.size() < wanted) {
      const auto start = std::chrono::steady_clock::now();
      const Handle handle = pool.Pop(slot);
      now = std::chrono::steady_clock::now();
      const auto ns = static_cast<uint64_t>((now - start) / std::chrono::nanoseconds(1));
      if (handle == kNoHandle) {
        times.none.Record(ns);
        break;
      }
      held.push_back(handle);
      const uint64_t stolen_now = Stolen(pool, slot);
      (stolen_now == stolen ? times.local : times.stealing).Record(ns);
      stolen = stolen_now;
    }
    now = std::chrono::steady_clock::now();
  }
  pool.PushBatch(slot, held);
}

void PrintRow(const char* what, const base::LogHistogram& ns) {
  std::printf("  %-24s %12" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %12" PRIu64 "\n", what,
              ns.count(), ns.Quantile(0.5), ns.Quantile(0.99), ns.Quantile(0.999), ns.max());
}

}  // namespace

void PrintTail(std::span<const uint32_t> cpus) {
  std::string why;
  const auto pool =
      Pool::Create({.capacity = kTailCapacity, .slots = testing::FlatSlots(kTailThreads)}, why);
  OBJPOOL_CHECK(pool != nullptr, why.c_str());
  testing::RunTeam(kTailThreads, [&](uint32_t t) { Attach(*pool, t, cpus[t % cpus.size()]); });
  std::vector<Times> times(kTailThreads);
  testing::RunTeam(kTailThreads, [&](uint32_t t) {
    OBJPOOL_CHECK(PinThisThread(cpus[t % cpus.size()], why), "pinned before");
    Lease(*pool, t, times[t]);
  });
  const auto sum = std::make_unique<Times>();
  for (const Times& each : times) {
    sum->local.Merge(each.local);
    sum->stealing.Merge(each.stealing);
    sum->none.Merge(each.none);
  }
  std::printf("\nTail of objpool (%s): ns of a pop, %u threads on %zu CPUs, %u handles\n",
              Pool::engine(), kTailThreads, cpus.size(), kTailCapacity);
  std::printf("  %-24s %12s %9s %9s %9s %12s\n", "", "pops", "p50", "p99", "p99.9", "max");
  PrintRow("that stole", sum->stealing);
  PrintRow("from the own slot", sum->local);
  PrintRow("that found none", sum->none);
  OBJPOOL_CHECK(pool->Drain() == kTailCapacity, "every handle is back");
}

}  // namespace objpool::bench
