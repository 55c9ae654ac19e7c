// Bias and Magazine: an owner that pushes and pops against one and two thieves that take half.
//
// Watched: data races on what the exclusion guards, and that every handle is in one place at the
// end. That owners were refused, got the bias back and thieves gave up in some run is asked for
// too: otherwise the model would prove less than it says.
#include "tests/model/model_sync.h"

#include <array>
#include <cstdint>
#include <iostream>
#include <span>

#include "pool/bias.h"
#include "pool/magazine.h"

namespace objpool::model {
namespace {

struct TinyLimits {
  static constexpr uint32_t kQuietEntries = 1;
  static constexpr unsigned kOwnerTries = 1;
  static constexpr unsigned kThiefTries = 1;
};

// Of all runs.
struct Seen {
  uint64_t fast = 0, locked = 0, refused = 0, fast_after_locked = 0, held = 0, not_held = 0;
};
Seen seen;

constexpr uint32_t kHandles = 3;
constexpr uint32_t kRoom = 4;

template <typename Sync, int kThieves, unsigned kOwnerOps, bool kBiased = true>
struct OwnerAndThieves
    : rl::test_suite<OwnerAndThieves<Sync, kThieves, kOwnerOps, kBiased>, 1 + kThieves> {
  static constexpr std::size_t kThreads = 1 + kThieves;
  using Gate = Bias<Sync, TinyLimits>;

  Gate bias{kBiased};
  Magazine<Sync, kRoom> magazine;
  // In the hands of each thread: told of at the end only.
  std::array<std::array<uint32_t, kHandles>, kThreads> hands{};
  std::array<uint32_t, kThreads> in_hands{};

  void before() {
    const std::array<uint32_t, kHandles> all{0, 1, 2};
    magazine.Load(all);
  }

  void thread(unsigned index) {
    if (index == 0) {
      Own();
    } else {
      Steal(index);
      if (kThieves == 1) Steal(index);
    }
  }

  void Own() {
    bool was_locked = false;
    for (unsigned op = 0; op < kOwnerOps; ++op) {
      const typename Gate::Entry entry = bias.Enter();
      if (entry == Gate::Entry::kRefused) {
        ++seen.refused;
        continue;
      }
      const auto now = magazine.word();
      if (op % 2 == 0 && now.size() != 0) {
        hands[0][in_hands[0]++] = magazine.Pop(now);
      } else if (in_hands[0] != 0) {
        magazine.Push(now, hands[0][--in_hands[0]]);
      }
      bias.Leave(entry);
      if (entry == Gate::Entry::kFast) {
        ++seen.fast;
        seen.fast_after_locked += was_locked ? 1 : 0;
      } else {
        ++seen.locked;
        was_locked = true;
      }
    }
  }

  void Steal(unsigned index) {
    if (!bias.TryHold()) {
      ++seen.not_held;
      return;
    }
    ++seen.held;
    std::array<uint32_t, kHandles> room;
    const auto stolen = std::span(room).first((magazine.size() + 1) / 2);
    magazine.Unload(stolen);
    bias.Release();
    for (const uint32_t handle : stolen) hands[index][in_hands[index]++] = handle;
  }

  void after() {
    std::array<uint32_t, kHandles> times{};
    for (unsigned t = 0; t < hands.size(); ++t) {
      for (uint32_t i = 0; i < in_hands[t]; ++i) ++times[hands[t][i]];
    }
    while (magazine.size() != 0) ++times[magazine.Pop(magazine.word())];
    for (const uint32_t count : times) RL_ASSERT(count == 1);
  }
};

[[maybe_unused]] bool SawAll() {
  std::cout << "entries: fast " << seen.fast << ", locked " << seen.locked << ", refused "
            << seen.refused << ", fast again " << seen.fast_after_locked << "; thieves: held "
            << seen.held << ", not " << seen.not_held << "\n";
  return seen.fast != 0 && seen.locked != 0 && seen.refused != 0 && seen.fast_after_locked != 0 &&
         seen.held != 0 && seen.not_held != 0;
}

#ifndef OBJPOOL_MODEL_LONG
bool Run() {
  return CheckRandom<OwnerAndThieves<FencedSync, 2, 5>>("fenced, two thieves", 60000) &&
         CheckRandom<OwnerAndThieves<MembarrierSync, 2, 5>>("membarrier, two thieves", 60000) &&
         SawAll();
}

#else
bool Run() {
  return CheckRandom<OwnerAndThieves<FencedSync, 2, 6>>("fenced, two thieves", 2000000) &&
         CheckRandom<OwnerAndThieves<MembarrierSync, 2, 6>>("membarrier, two thieves", 2000000) &&
         CheckRandom<OwnerAndThieves<FencedSync, 2, 6, false>>("slot lock", 500000) &&
         CheckAll<OwnerAndThieves<FencedSync, 1, 4>>("fenced, all of 3 switches", 3) &&
         CheckAll<OwnerAndThieves<MembarrierSync, 1, 4>>("membarrier, all of 3 switches", 3) &&
         CheckAll<OwnerAndThieves<FencedSync, 2, 3>>("fenced, two thieves, all of 2 switches", 2);
}
#endif

}  // namespace
}  // namespace objpool::model

int main() { return objpool::model::Run() ? 0 : 1; }
