// The loops that are timed: one chunk of each kind of work, compiled for each pool.
//
// A pool has a type Item with a value kNone, and a Worker for each thread with Pop and Push, and
// perhaps PopBatch and PushBatch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <type_traits>

#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/hand_off.h"

namespace objpool::bench {

struct Tally {
  uint64_t pairs = 0;
  uint64_t failed = 0;  // pops

  Tally& operator+=(const Tally& other) {
    pairs += other.pairs;
    failed += other.failed;
    return *this;
  }
};

// Pops in a chunk: enough that what is between two chunks costs nothing, and few, because each of
// them may last as long as the turns that other threads have on the CPU.
inline constexpr uint32_t kChunkPops = 128;

// What lies behind a handle: Work::kTouch counts up in it. The number is for pools of pointers.
struct alignas(64) Line {
  uint64_t uses;
  uint32_t number;
};

// Makes the compiler believe that somebody looks at the item.
template <typename Item>
void Use(Item item) {
  asm volatile("" : : "r"(item) : "memory");
}

// Lets the other thread of a pair run: its CPU may be this one.
class Waiting {
 public:
  void Once() {
    if (++times_ % kSpins == 0) std::this_thread::yield();
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

 private:
  static constexpr uint32_t kSpins = 2000;
  uint32_t times_ = 0;
};

template <typename Pool, uint32_t kHeld>
Tally SinglesChunk(typename Pool::Worker& worker) {
  Tally tally;
  if constexpr (kHeld == 1) {
    for (uint32_t i = 0; i < kChunkPops; ++i) {
      const auto item = worker.Pop();
      Use(item);
      if (item == Pool::kNone) [[unlikely]] {
        ++tally.failed;
        continue;
      }
      worker.Push(item);
    }
    tally.pairs = kChunkPops - tally.failed;
    return tally;
  }
  std::array<typename Pool::Item, kHeld> held;
  for (uint32_t round = 0; round < kChunkPops / kHeld; ++round) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < kHeld; ++i) {
      const auto item = worker.Pop();
      Use(item);
      if (item != Pool::kNone) [[likely]] {
        held[count++] = item;
      }
    }
    for (uint32_t i = 0; i < count; ++i) worker.Push(held[i]);
    tally += {count, kHeld - count};
  }
  return tally;
}

template <typename Pool>
Tally BatchesChunk(typename Pool::Worker& worker) {
  if constexpr (requires(typename Pool::Item * items) { worker.PopBatch(items, kBatchHandles); }) {
    Tally tally;
    alignas(64) std::array<typename Pool::Item, kBatchHandles> held;
    for (uint32_t round = 0; round < kChunkPops / kBatchHandles; ++round) {
      const uint32_t count = worker.PopBatch(held.data(), kBatchHandles);
      Use(held.data());
      if (count > 0) worker.PushBatch(held.data(), count);
      tally += {count, kBatchHandles - count};
    }
    return tally;
  } else {
    return SinglesChunk<Pool, kBatchHandles>(worker);
  }
}

template <typename Pool>
Tally TouchChunk(typename Pool::Worker& worker, [[maybe_unused]] Line* lines) {
  Tally tally;
  for (uint32_t i = 0; i < kChunkPops; ++i) {
    const auto item = worker.Pop();
    if (item == Pool::kNone) [[unlikely]] {
      ++tally.failed;
      continue;
    }
    if constexpr (std::is_pointer_v<typename Pool::Item>) {
      ++static_cast<Line*>(item)->uses;
    } else {
      ++lines[item].uses;
    }
    Use(item);
    worker.Push(item);
  }
  tally.pairs = kChunkPops - tally.failed;
  return tally;
}

template <typename Pool>
Tally GiveChunk(typename Pool::Worker& worker, HandOff<typename Pool::Item>& hand_off) {
  Tally tally;
  Waiting waiting;
  for (uint32_t i = 0; i < kChunkPops; ++i) {
    const auto item = worker.Pop();
    if (item == Pool::kNone) {
      ++tally.failed;
      hand_off.Publish();
      waiting.Once();
      continue;
    }
    while (!hand_off.TryPut(item)) waiting.Once();
    ++tally.pairs;
  }
  return tally;
}

}  // namespace objpool::bench
