// "Empty": one thread moves handles between the places of a pool, another one asks whether there
// is one.
//
// The magazines, gates and stacks are those of the pool. What pool_pop.cc, pool_push.cc,
// pool_batch.cc and transit.h do with them is done here once more, for a pool of two slots and a
// watcher without handles: those parts are no templates. In each test a handle is free or in
// transit all the time, so that "none" is always wrong, whatever runs when.
#include "tests/model/model_blocks.h"

#include <array>
#include <cstdint>
#include <iostream>
#include <span>

#include "pool/bias.h"
#include "pool/magazine.h"

namespace objpool::model {
namespace {

using S = MembarrierSync;
using Blocks = ModelBlocks<S, 2>;

struct TinyLimits {
  static constexpr uint32_t kQuietEntries = 1;
  static constexpr unsigned kOwnerTries = 1;
  static constexpr unsigned kThiefTries = 1;
};

struct Slot {
  Bias<S, TinyLimits> bias{true};
  Magazine<S, 2 * kBatch> magazine;
  BlockStack<S, Blocks> full;
  S::Atomic<uint32_t> transit{0};
};

class InTransit {
 public:
  explicit InTransit(Slot& slot) : transit_(slot.transit) {
    transit_.fetch_add(1, std::memory_order_seq_cst);
  }
  ~InTransit() { transit_.fetch_sub(1, std::memory_order_release); }
  InTransit(const InTransit&) = delete;
  InTransit& operator=(const InTransit&) = delete;

 private:
  S::Atomic<uint32_t>& transit_;
};

enum class Answer : uint8_t { kSome, kNone, kUnknown };

struct Places {
  Blocks blocks;
  std::array<Slot, 2> slots;

  void Fill(uint32_t index, uint32_t count) {
    blocks[index].count = count;
    for (uint32_t i = 0; i < count; ++i) blocks[index].handles()[i] = i;
    slots[0].full.Push(blocks, index);
  }

  uint64_t Stamp(bool& busy) const {
    uint64_t sum = 0;
    for (const Slot& slot : slots) {
      busy |= slot.transit.load(std::memory_order_acquire) != 0;
      sum += 1 + slot.magazine.gains() + slot.full.tag();
    }
    return sum;
  }

  // One round of PopExactly; what it finds, it leaves there.
  Answer Ask() {
    bool busy = false;
    const uint64_t before = Stamp(busy);
    for (const Slot& slot : slots) {
      if (!slot.full.empty()) return Answer::kSome;
    }
    for (Slot& slot : slots) {
      if (slot.magazine.looks_empty()) continue;
      if (!slot.bias.TryHold()) {
        busy = true;
        continue;
      }
      const uint32_t size = slot.magazine.size();
      slot.bias.Release();
      if (size != 0) return Answer::kSome;
    }
    const uint64_t after = Stamp(busy);
    return before == after && !busy ? Answer::kNone : Answer::kUnknown;
  }

  // PopDepots and OpenBlock: out of slot 0's depot; one handle goes to a client.
  void StealBlock(Slot& own) {
    const InTransit transit(own);
    const Chain chain = slots[0].full.PopHalf(blocks, 16);
    if (chain.length == 0) return;
    Block<S>& block = blocks[chain.first];
    --block.count;
    if (!Load(own, std::span<const S::Plain<uint32_t>>(block.handles(), block.count))) {
      own.full.Push(blocks, chain.first);
    }
  }
  // A batch that takes what is in slot 0's magazine, wants more, and gives it back.
  void TakeAndGiveBack(Slot& own) {
    const InTransit transit(own);
    if (!slots[0].bias.TryHold()) return;
    std::array<uint32_t, kBatch> out;
    const auto taken = std::span(out).first(slots[0].magazine.size());
    slots[0].magazine.Unload(taken);
    slots[0].bias.Release();
    if (taken.empty() || Load(own, std::span<const uint32_t>(taken))) return;
    AddToDepot(own, taken);
  }
  // Spill, of slot 0's own magazine.
  void Spill() {
    Slot& own = slots[0];
    const InTransit transit(own);
    const auto entry = own.bias.Enter();
    if (entry == Gate::kRefused) return;
    std::array<uint32_t, kBatch> out;
    const auto taken = std::span(out).first(own.magazine.size());
    own.magazine.Unload(taken);
    own.bias.Leave(entry);
    AddToDepot(own, taken);
  }
  // PushSlow: into the topmost block.
  void PushToDepot(Slot& to, uint32_t handle) {
    const InTransit transit(to);
    AddToDepot(to, std::span(&handle, 1));
  }

 private:
  using Gate = Bias<S, TinyLimits>::Entry;

  template <typename T>
  bool Load(Slot& own, std::span<const T> handles) {
    if (handles.empty()) return true;
    const auto entry = own.bias.Enter();
    if (entry == Gate::kRefused) return false;
    std::array<uint32_t, kBatch> plain;
    for (std::size_t i = 0; i < handles.size(); ++i) plain[i] = handles[i];
    own.magazine.Load(std::span(plain).first(handles.size()));
    own.bias.Leave(entry);
    return true;
  }
  void AddToDepot(Slot& to, std::span<const uint32_t> handles) {
    uint32_t index = to.full.Pop(blocks);
    if (index == 0) {
      index = 2;
      blocks[index].count = 0;
    }
    for (const uint32_t handle : handles) {
      blocks[index].handles()[blocks[index].count] = handle;
      ++blocks[index].count;
    }
    to.full.Push(blocks, index);
  }
};

enum class Move : uint8_t { kStealBlock, kOpenBlock, kTakeAndGiveBack, kSpill, kPushToDepot };

uint64_t some = 0;  // of all runs

template <Move kMove>
struct Watched : rl::test_suite<Watched<kMove>, 2> {
  Places places;

  void before() {
    const std::array<uint32_t, 1> one{0};
    switch (kMove) {
      case Move::kStealBlock:
      case Move::kOpenBlock:
        return places.Fill(1, kBatch);
      case Move::kPushToDepot:
        return places.Fill(1, 1);
      case Move::kTakeAndGiveBack:
      case Move::kSpill:
        places.slots[0].magazine.Load(one);
    }
  }

  void thread(unsigned index) {
    if (index == 1) {
      const Answer answer = places.Ask();
      RL_ASSERT(answer != Answer::kNone);
      some += answer == Answer::kSome ? 1 : 0;
      return;
    }
    switch (kMove) {
      case Move::kStealBlock:
        return places.StealBlock(places.slots[1]);
      case Move::kOpenBlock:
        return places.StealBlock(places.slots[0]);
      case Move::kTakeAndGiveBack:
        return places.TakeAndGiveBack(places.slots[1]);
      case Move::kSpill:
        return places.Spill();
      case Move::kPushToDepot:
        return places.PushToDepot(places.slots[0], 1);
    }
  }
};

#ifndef OBJPOOL_MODEL_LONG
constexpr unsigned kRuns = 30000;
constexpr unsigned kSwitches = 3;
#else
constexpr unsigned kRuns = 1000000;
constexpr unsigned kSwitches = 4;
#endif

// At random, for stale values; and in order, because the dangerous runs have long stretches of
// one thread, which chance seldom makes.
template <Move kMove>
bool CheckMove(const char* name) {
  return CheckRandom<Watched<kMove>>(name, kRuns) && CheckAll<Watched<kMove>>(name, kSwitches);
}

bool Run() {
  return CheckMove<Move::kStealBlock>("a block is stolen and opened") &&
         CheckMove<Move::kOpenBlock>("a block of the own depot is opened") &&
         CheckMove<Move::kTakeAndGiveBack>("a batch gives back") &&
         CheckMove<Move::kSpill>("a magazine spills") &&
         CheckMove<Move::kPushToDepot>("a handle joins a block") && some != 0;
}

}  // namespace
}  // namespace objpool::model

int main() { return objpool::model::Run() ? 0 : 1; }
