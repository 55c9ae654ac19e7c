// ContenderOf<Pool>: runs a cell on a pool of that type, with threads of its own.
//
// A pool is made from a Shape and has
//   Item, kNone      what it deals in: a number below the capacity, or a pointer
//   kThreads         the most threads that may use it; kConserves, whether it keeps what is pushed
//   Number(item)     0 .. capacity - 1, for pointers
//   Worker(pool, t)  made, used and destroyed by thread t: Pop, Push, Fill and what work.h says.
//                    Fill puts the thread's share of handles in, in an order that is not rising.
//                    Flush, where it is there, gives up what other threads cannot reach.
#pragma once

#include <algorithm>
#include <atomic>
#include <barrier>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <semaphore>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "pool/affinity.h"
#include "pool/base/check.h"
#include "pool/slot_map.h"
#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/hand_off.h"
#include "tests/bench/pool/stopwatch.h"
#include "tests/bench/pool/work.h"

namespace objpool::bench {

// 0 .. capacity - 1 in an order that no prefetcher guesses, the same in each run.
inline std::vector<uint32_t> Shuffled(uint32_t capacity) {
  std::vector<uint32_t> order(capacity);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(capacity));
  return order;
}

// Fill for a pool that comes filled: takes the share out and pushes it in another order.
template <typename Item, typename Worker>
void Reorder(Worker& worker, std::size_t count, Item none) {
  std::vector<Item> items;
  while (items.size() < count) {
    const Item item = worker.Pop();
    if (item == none) break;
    items.push_back(item);
  }
  std::shuffle(items.begin(), items.end(), std::mt19937(static_cast<uint32_t>(count)));
  for (const Item item : items) worker.Push(item);
}

// The cell, once, on one pool.
template <typename Pool>
class CellRun {
 public:
  using Item = typename Pool::Item;
  using Worker = typename Pool::Worker;

  CellRun(const Cell& cell, uint32_t capacity)
      : cell_(cell),
        capacity_(capacity),
        pool_({capacity, cell.threads, cell.work == Work::kHandOff ? 0 : cell.threads * cell.held}),
        order_(Shuffled(capacity)),
        lines_(cell.work == Work::kTouch && !std::is_pointer_v<Item> ? capacity : 0),
        hand_off_(std::bit_floor(std::clamp(capacity / 2, 8u, kHandOffItems))),
        together_(static_cast<std::ptrdiff_t>(cell.threads)),
        measuring_(static_cast<std::ptrdiff_t>(cell.threads) + 1),
        tallies_(cell.threads),
        elapsed_(cell.threads) {}

  Sample Run(std::span<const uint32_t> cpus) {
    std::vector<std::jthread> threads;
    for (uint32_t t = 0; t < cell_.threads; ++t) {
      threads.emplace_back([this, t, cpu = cpus[t % cpus.size()]] { RunThread(t, cpu); });
    }
    measuring_.arrive_and_wait();
    // Nobody releases it: this waits for the time to pass.
    (void)std::binary_semaphore(0).try_acquire_for(cell_.duration);
    over_.store(true, std::memory_order_relaxed);
    threads.clear();
    return Sum();
  }

 private:
  // So many that the two threads of kHandOff seldom wait for each other.
  static constexpr uint32_t kHandOffItems = 512;
  static constexpr uint32_t kWarmChunks = 32;
  // A pool may say "none" wrongly, but not so often in a row.
  static constexpr uint32_t kDrainMisses = 1000;

  void RunThread(uint32_t t, uint32_t cpu) {
    std::string why;
    OBJPOOL_CHECK(PinThisThread(cpu, why), why.c_str());
    Worker worker(pool_, t);
    const auto [first, last] = ShareOf(capacity_, cell_.threads, t);
    // One after the other: rte_ring takes minutes where many threads fill it on few CPUs.
    for (uint32_t turn = 0; turn < cell_.threads; ++turn) {
      together_.arrive_and_wait();
      if (turn == t) worker.Fill({order_.data() + first, last - first});
    }
    measuring_.arrive_and_wait();
    RunWork(worker, t);
    together_.arrive_and_wait();
    if constexpr (requires { worker.Flush(); }) worker.Flush();
    together_.arrive_and_wait();
    if constexpr (Pool::kConserves) {
      if (t == 0) Drain(worker);
    }
    together_.arrive_and_wait();
  }

  void RunWork(Worker& worker, uint32_t t) {
    switch (cell_.work) {
      case Work::kSingles:
        if (cell_.held == 1) return Measure(t, [&] { return SinglesChunk<Pool, 1>(worker); });
        if (cell_.held == 8) return Measure(t, [&] { return SinglesChunk<Pool, 8>(worker); });
        OBJPOOL_CHECK(cell_.held == 64, "singles are held by 1, 8 or 64");
        return Measure(t, [&] { return SinglesChunk<Pool, 64>(worker); });
      case Work::kBatches:
        return Measure(t, [&] { return BatchesChunk<Pool>(worker); });
      case Work::kTouch:
        return Measure(t, [&] { return TouchChunk<Pool>(worker, lines_.data()); });
      case Work::kHandOff:
        if (t == 1) return TakeAll(worker);
        Measure(t, [&] { return GiveChunk<Pool>(worker, hand_off_); });
        hand_off_.Publish();
        given_all_.store(true, std::memory_order_release);  // R1 -> A1
        return;
    }
  }

  // Repeats a chunk until the time is over, after some that are not counted.
  template <typename Chunk>
  void Measure(uint32_t t, Chunk chunk) {
    for (uint32_t i = 0; i < kWarmChunks && !over(); ++i) (void)chunk();
    const Stopwatch watch;
    Tally tally;
    do {
      tally += chunk();
    } while (!over());
    elapsed_[t] = watch.Read();
    tallies_[t] = tally;
  }

  [[nodiscard]] bool over() const { return over_.load(std::memory_order_relaxed); }

  void TakeAll(Worker& worker) {
    const Stopwatch watch;
    Waiting waiting;
    for (;;) {
      const bool given_all = given_all_.load(std::memory_order_acquire);  // A1
      if (hand_off_.Take([&](Item item) { worker.Push(item); }) != 0) continue;
      if (given_all) break;
      waiting.Once();
    }
    elapsed_[1] = watch.Read();
  }

  // Takes everything out: each handle must be there, once.
  void Drain(Worker& worker) {
    std::vector<bool> seen(capacity_);
    uint32_t distinct = 0;
    uint32_t twice = 0;
    for (uint32_t misses = 0; misses < kDrainMisses && twice <= capacity_;) {
      const Item item = worker.Pop();
      if (item == Pool::kNone) {
        ++misses;
        continue;
      }
      misses = 0;
      const uint32_t number = NumberOf(item);
      OBJPOOL_CHECK(number < capacity_, "a handle that nobody pushed");
      ++(seen[number] ? twice : distinct);
      seen[number] = true;
    }
    if (distinct == capacity_ && twice == 0) return;
    broken_ = std::to_string(capacity_ - distinct) + " lost, " + std::to_string(twice) + " twice";
  }

  [[nodiscard]] static uint32_t NumberOf(Item item) {
    if constexpr (std::is_pointer_v<Item>) {
      return Pool::Number(item);
    } else {
      return item;
    }
  }

  [[nodiscard]] Sample Sum() const {
    Tally tally;
    Elapsed sum;
    for (const Tally& each : tallies_) tally += each;
    for (const Elapsed& each : elapsed_) {
      sum.wall += each.wall;
      sum.cpu += each.cpu;
      sum.waited += std::min(each.waited, each.wall);
    }
    uint64_t ns = 0;
    switch (cell_.unit) {
      case Unit::kThreadTime:
        ns = sum.wall - sum.waited;
        break;
      case Unit::kCpuTime:
        ns = sum.cpu;
        break;
      case Unit::kWallTime:
        ns = elapsed_[0].wall;
        break;
    }
    const auto share = [](uint64_t part, uint64_t whole) {
      return static_cast<double>(part) / static_cast<double>(std::max<uint64_t>(whole, 1));
    };
    return {.ns = share(ns, tally.pairs),
            .failed_share = share(tally.failed, tally.pairs + tally.failed),
            .waited_share = share(sum.waited, sum.wall),
            .broken = broken_};
  }

  const Cell& cell_;
  const uint32_t capacity_;
  Pool pool_;
  const std::vector<uint32_t> order_;
  std::vector<Line> lines_;
  HandOff<Item> hand_off_;
  std::atomic<bool> given_all_{false};
  std::atomic<bool> over_{false};
  std::barrier<> together_;   // the threads
  std::barrier<> measuring_;  // and the one that looks at the clock, idle in all cells
  std::vector<Tally> tallies_;
  std::vector<Elapsed> elapsed_;
  std::string broken_;
};

template <typename Pool>
class ContenderOf final : public Contender {
 public:
  using Contender::Contender;

  [[nodiscard]] Sample Run(const Cell& cell, uint32_t capacity,
                           std::span<const uint32_t> cpus) const override {
    return CellRun<Pool>(cell, capacity).Run(cpus);
  }
  [[nodiscard]] bool CanRun(const Cell& cell) const override {
    return cell.threads <= Pool::kThreads;
  }
};

}  // namespace objpool::bench
