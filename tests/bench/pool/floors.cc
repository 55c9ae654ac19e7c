#include "tests/bench/pool/floors.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "pool/affinity.h"
#include "pool/base/cache_line.h"
#include "pool/base/check.h"
#include "tests/bench/pool/matrix.h"
#include "tests/bench/pool/work.h"

namespace objpool::bench {
namespace {

void Pin(uint32_t cpu) {
  std::string why;
  OBJPOOL_CHECK(PinThisThread(cpu, why), why.c_str());
}

int Membarrier(int command) { return static_cast<int>(syscall(SYS_membarrier, command, 0, 0)); }

// Prints median and minimum over rounds of `step`'s nanoseconds, done `count` times.
template <typename Step>
void Print(const char* what, uint32_t rounds, uint64_t count, Step step) {
  std::vector<double> ns;
  for (uint32_t round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (uint64_t i = 0; i < count; ++i) step();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    ns.push_back(took.count() / static_cast<double>(count));
  }
  std::printf("  %-44s %8.2f / %8.2f\n", what, Median(ns), *std::min_element(ns.begin(), ns.end()));
}

struct alignas(base::kCacheLineBytes) Word {
  std::atomic<uint64_t> value{0};
};

void PrintSingle(uint32_t rounds) {
  Word word;
  Print("plain store", rounds, 4'000'000, [&] {
    word.value.store(1, std::memory_order_relaxed);
    asm volatile("" : : : "memory");
  });
  uint64_t expected = 1;
  Print("lock cmpxchg, uncontended", rounds, 1'000'000, [&] {
    (void)word.value.compare_exchange_strong(expected, expected + 1, std::memory_order_acq_rel);
    ++expected;
  });
}

void PrintMembarrier(uint32_t rounds, uint32_t sibling_cpu) {
  if (Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0) {
    std::printf("  %-44s not available\n", "membarrier");
    return;
  }
  const auto barrier = [] { (void)Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED); };
  Print("membarrier, private expedited, quiet", rounds, 2'000, barrier);
  std::atomic<bool> running{false};
  const std::jthread sibling([&](const std::stop_token& stop) {
    Pin(sibling_cpu);
    running.store(true, std::memory_order_relaxed);
    while (!stop.stop_requested()) {
    }
  });
  Waiting waiting;
  while (!running.load(std::memory_order_relaxed)) waiting.Once();
  Print("membarrier, private expedited, sibling runs", rounds, 2'000, barrier);
}

// Two threads pass a word back and forth.
void PrintRoundTrip(uint32_t rounds, uint32_t other_cpu) {
  constexpr uint64_t kEnd = UINT64_MAX;
  Word there;
  Word back;
  const std::jthread other([&] {
    Pin(other_cpu);
    Waiting waiting;
    uint64_t seen = 0;
    while (seen != kEnd) {
      const uint64_t now = there.value.load(std::memory_order_acquire);
      if (now == seen) {
        waiting.Once();
        continue;
      }
      seen = now;
      back.value.store(now, std::memory_order_release);
    }
  });
  uint64_t turn = 0;
  Waiting waiting;
  Print("cross-core round trip of a line", rounds, 20'000, [&] {
    there.value.store(++turn, std::memory_order_release);
    while (back.value.load(std::memory_order_acquire) != turn) waiting.Once();
  });
  there.value.store(kEnd, std::memory_order_release);
}

}  // namespace

void PrintFloors(std::span<const uint32_t> cpus, uint32_t rounds) {
  std::printf("\nFloors of this machine: median / minimum, ns\n");
  std::jthread([&] {
    Pin(cpus[0]);
    PrintSingle(rounds);
    PrintMembarrier(rounds, cpus[1]);
    PrintRoundTrip(rounds, cpus[1]);
  }).join();
}

}  // namespace objpool::bench
