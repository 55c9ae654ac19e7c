// PopBatch: many handles at once, or none.
//
// What a batch takes is nobody's until it has enough: it is counted as moved, under the slot's
// transit, and given back as moved where it is not enough.
#include <algorithm>
#include <array>
#include <mutex>
#include <span>

#include "pool/pool.h"
#include "pool/transit.h"

namespace objpool {

// Where the handles of a batch came from, until it is decided.
struct Pool::Origins {
  uint32_t magazine = 0;
  uint32_t depot = 0;
  std::array<uint32_t, kStealDistances> stolen{};

  void CountAsHits(Slot& own) const {
    own.batch_hits.Add(magazine);
    own.depot_hits.Add(depot);
    for (std::size_t d = 0; d < kStealDistances; ++d) own.acquired_by_steal[d].Add(stolen[d]);
  }
};

uint32_t Pool::PopBatch(SlotId slot, std::span<Handle> out, uint32_t min_count) {
  OBJPOOL_CHECK(min_count >= 1 && min_count <= out.size(), "1 <= min_count <= room for handles");
  Slot& own = Own(slot);
  uint32_t taken = 0;
  if (own.bias.EnterFast()) [[likely]] {
    const Word now = own.magazine.word();
    if (now.size() >= out.size()) [[likely]] {
      own.magazine.PopMany(now, out);
      taken = static_cast<uint32_t>(out.size());
    }
    own.bias.LeaveFast();
  }
  if (taken == 0) [[unlikely]] {
    taken = PopBatchElsewhere(own, out, min_count);
  }
  if constexpr (kObjpoolChecked) {
    for (const Handle handle : out.first(taken)) CheckPop(handle);
  }
  return taken;
}

// Whether the magazine had them all.
bool Pool::TryPopMany(Slot& own, std::span<Handle> out) {
  const Entry entry = own.bias.Enter();
  if (entry == Entry::kRefused) return false;
  const Word now = own.magazine.word();
  const bool enough = now.size() >= out.size();
  if (enough) own.magazine.PopMany(now, out);
  own.bias.Leave(entry);
  return enough;
}

uint32_t Pool::PopBatchElsewhere(Slot& own, std::span<Handle> out, uint32_t min_count) {
  OBJPOOL_CHECK(born_ == ForkGeneration(),
                "a pool is not used in a child of the process that made it");
  if (TryPopMany(own, out)) return static_cast<uint32_t>(out.size());
  const auto give_back = [&](uint32_t taken) {
    for (uint32_t i = 0; i < taken; i += batch_) {
      Stash(own, out.subspan(i, std::min(batch_, taken - i)));
    }
  };
  {
    const InTransit transit(own);
    Origins from;
    bool busy = false;
    const uint32_t taken = Gather(own, out, from, busy);
    if (taken >= min_count) {
      from.CountAsHits(own);
      return taken;
    }
    give_back(taken);
  }
  if (min_count == 1) {
    out[0] = PopExactly(own);
    return out[0] == kNoHandle ? 0 : 1;
  }
  // Two batches that hold half of what they want each would wait for each other: one at a time may
  // wait with its hands full (I4).
  const std::scoped_lock lock(batch_lock_);
  const InTransit transit(own);
  Origins from;
  uint32_t taken = 0;
  for (unsigned round = 0;; ++round) {
    bool busy = false;
    const uint64_t before = Stamp(own, 1, busy);
    taken += Gather(own, out.subspan(taken), from, busy);
    if (taken >= min_count) {
      from.CountAsHits(own);
      return taken;
    }
    const uint64_t after = Stamp(own, 1, busy);
    if (before == after && !busy) break;
    Sync::Pause(round * 16);
  }
  give_back(taken);
  own.misses.Add();
  return 0;
}

// Takes what it finds in one pass. `busy` becomes true where a place could not be looked at.
uint32_t Pool::Gather(Slot& own, std::span<Handle> out, Origins& from, bool& busy) {
  uint32_t taken = GatherOwn(own, out, from, busy);
  const auto rest = [&] { return out.subspan(taken); };
  VisitOthers(own, [&](Slot& victim, std::size_t distance) {
    while (taken < out.size()) {
      const uint32_t got = GatherDepot(own, victim, distance, rest());
      if (got == 0) break;
      taken += got;
      from.stolen[distance] += got;
    }
    return taken == out.size();
  });
  if (taken < out.size()) {
    VisitOthers(own, [&](Slot& victim, std::size_t distance) {
      const uint32_t got = GatherMagazine(own, victim, distance, rest(), busy);
      taken += got;
      from.stolen[distance] += got;
      return taken == out.size();
    });
  }
  return taken;
}

uint32_t Pool::GatherOwn(Slot& own, std::span<Handle> out, Origins& from, bool& busy) {
  uint32_t taken = 0;
  const Entry entry = own.bias.Enter();
  if (entry != Entry::kRefused) {
    const uint32_t size = own.magazine.size();
    taken = std::min<uint32_t>(size, static_cast<uint32_t>(out.size()));
    own.magazine.UnloadTop(out.first(taken));
    own.bias.Leave(entry);
    from.magazine += taken;
  } else {
    busy = true;
  }
  while (taken < out.size()) {
    const uint32_t block = own.depot.full.Pop(blocks_);
    if (block == 0) break;
    const uint32_t got = GatherBlock(own, block, out.subspan(taken));
    taken += got;
    from.depot += got;
  }
  return taken;
}

// Out of a block that is in our hands, which then goes to the depot of `to`.
uint32_t Pool::GatherBlock(Slot& to, uint32_t index, std::span<Handle> out) {
  Block<Sync>& block = blocks_[index];
  const uint32_t got = std::min<uint32_t>(block.count, static_cast<uint32_t>(out.size()));
  block.count -= got;
  std::copy(block.handles() + block.count, block.handles() + block.count + got, out.begin());
  (block.count == 0 ? to.depot.empty : to.depot.full).Push(blocks_, index);
  return got;
}

// Blocks of another depot: as many as the batch needs or half of them, whichever is less; what is
// left over stays in the own depot.
uint32_t Pool::GatherDepot(Slot& own, Slot& victim, std::size_t distance, std::span<Handle> out) {
  if (victim.depot.full.empty()) return 0;
  const auto blocks = static_cast<uint32_t>((out.size() + batch_ - 1) / batch_);
  const Chain chain = victim.depot.full.PopHalf(blocks_, std::min(blocks, kMaxStolenBlocks));
  uint32_t taken = 0;
  uint32_t moved = 0;
  for (uint32_t at = chain.first, left = chain.length; left > 0; --left) {
    const uint32_t next = blocks_[at].next.load(std::memory_order_relaxed);
    moved += blocks_[at].count;
    taken += GatherBlock(own, at, out.subspan(taken));
    at = next;
  }
  victim.depot.stolen_from[distance].fetch_add(moved, std::memory_order_relaxed);
  own.stolen_by[distance].Add(moved);
  return taken;
}

// What the batch needs of another magazine, the coldest first.
uint32_t Pool::GatherMagazine(Slot& own, Slot& victim, std::size_t distance, std::span<Handle> out,
                              bool& busy) {
  if (victim.magazine.looks_empty()) return 0;
  if (!victim.bias.TryHold()) {
    busy = true;
    return 0;
  }
  const uint32_t size = victim.magazine.size();
  const uint32_t got = std::min<uint32_t>(size, static_cast<uint32_t>(out.size()));
  victim.magazine.Unload(out.first(got));
  victim.bias.Release();
  victim.depot.stolen_from[distance].fetch_add(got, std::memory_order_relaxed);
  own.stolen_by[distance].Add(got);
  return got;
}

uint32_t Pool::PopBatchOfNode(SlotId slot, uint32_t node, std::span<Handle> out) {
  Slot& own = Own(slot);
  const InTransit transit(own);
  uint32_t taken = 0;
  Origins from;
  if (map_->owner(slot).node == node) {
    bool busy = false;
    taken = GatherOwn(own, out, from, busy);
  }
  VisitOthers(own, [&](Slot& victim, std::size_t distance) {
    if (map_->owner(victim.id).node != node) return false;
    const uint32_t got = GatherThere(own, victim, distance, out.subspan(taken));
    taken += got;
    from.stolen[distance] += got;
    return taken == out.size();
  });
  from.CountAsHits(own);
  if constexpr (kObjpoolChecked) {
    for (const Handle handle : out.first(taken)) CheckPop(handle);
  }
  return taken;
}

// What is needed of another slot, block by block, then of its magazine. The rest stays there.
uint32_t Pool::GatherThere(Slot& own, Slot& victim, std::size_t distance, std::span<Handle> out) {
  uint32_t taken = 0;
  while (taken < out.size() && !victim.depot.full.empty()) {
    const uint32_t index = victim.depot.full.Pop(blocks_);
    if (index == 0) break;
    taken += GatherBlock(victim, index, out.subspan(taken));
  }
  victim.depot.stolen_from[distance].fetch_add(taken, std::memory_order_relaxed);
  own.stolen_by[distance].Add(taken);
  bool busy = false;
  if (taken < out.size()) {
    taken += GatherMagazine(own, victim, distance, out.subspan(taken), busy);
  }
  return taken;
}

uint32_t Pool::Drain() {
  uint32_t drained = 0;
  for (SlotId s = 0; s < map_->slots(); ++s) {
    Slot* const slot = Find(s);
    if (slot == nullptr) continue;
    std::array<Handle, std::size_t{4} * kMaxBlockHandles> out;
    for (bool more = true; more;) {
      const InTransit transit(*slot);
      Origins from;
      bool busy = false;
      const uint32_t taken = GatherOwn(*slot, out, from, busy);
      from.CountAsHits(*slot);
      for (const Handle handle : std::span(out).first(taken)) {
        if constexpr (kObjpoolChecked) CheckPop(handle);
      }
      drained += taken;
      more = taken != 0;
    }
  }
  return drained;
}

}  // namespace objpool
