// Pop, when the owner's magazine has nothing at hand: depots, other magazines, and the truth about
// "none".
#include <array>
#include <span>

#include "pool/pool.h"
#include "pool/transit.h"

namespace objpool {

Handle Pool::PopShared(Slot& own) {
  if (own.bias.EnterShared() != Entry::kRefused) [[likely]] {
    const Word now = own.magazine.word();
    const Handle handle = now.size() == 0 ? kNoHandle : own.magazine.Pop(now);
    own.bias.LeaveShared();
    if (handle != kNoHandle) [[likely]] {
      return handle;
    }
  }
  return own.pool.PopElsewhere(own);
}

Handle Pool::PopElsewhere(Slot& own) {
  OBJPOOL_CHECK(born_ == ForkGeneration(),
                "a pool is not used in a child of the process that made it");
  const Handle handle = PopDepots(own);
  return handle != kNoHandle ? handle : PopExactly(own);
}

// `busy` becomes true when a thief is in there.
Handle Pool::PopOwnMagazine(Slot& own, bool& busy) {
  const Entry entry = own.bias.Enter();
  if (entry == Entry::kRefused) {
    busy = true;
    return kNoHandle;
  }
  const Word now = own.magazine.word();
  const Handle handle = now.size() == 0 ? kNoHandle : own.magazine.Pop(now);
  own.bias.Leave(entry);
  return handle;
}

Handle Pool::PopDepots(Slot& own) {
  // In transit only where there is something: else those who find nothing would keep each other
  // busy.
  if (!own.depot.full.empty()) {
    const InTransit transit(own);
    if (const uint32_t block = own.depot.full.Pop(blocks_); block != 0) {
      own.depot_hits.Add();
      return OpenBlock(own, block);
    }
  }
  Handle handle = kNoHandle;
  VisitOthers(own, [&](Slot& victim, std::size_t distance) {
    if (victim.depot.full.empty()) return false;
    const InTransit transit(own);
    const Chain chain = victim.depot.full.PopHalf(blocks_, kMaxStolenBlocks);
    if (chain.length == 0) return false;
    uint32_t moved = 0;
    for (uint32_t at = chain.first;; at = blocks_[at].next.load(std::memory_order_relaxed)) {
      moved += blocks_[at].count;
      if (at == chain.last) break;
    }
    victim.depot.stolen_from[distance].fetch_add(moved, std::memory_order_relaxed);
    own.stolen_by[distance].Add(moved);
    own.acquired_by_steal[distance].Add();
    if (chain.length > 1) {
      const uint32_t second = blocks_[chain.first].next.load(std::memory_order_relaxed);
      own.depot.full.Push(blocks_, {second, chain.last, chain.length - 1});
    }
    handle = OpenBlock(own, chain.first);
    return true;
  });
  return handle;
}

// Takes one handle out of a block that is in our hands, and puts the others where the owner has
// them at hand.
Handle Pool::OpenBlock(Slot& own, uint32_t index) {
  Block<Sync>& block = blocks_[index];
  const Handle handle = block.handles()[--block.count];
  if (block.count != 0) {
    const Entry entry = own.bias.Enter();
    if (entry != Entry::kRefused) {
      const uint32_t size = own.magazine.size();
      if (size + block.count <= room_) {
        own.magazine.Load(std::span<const Handle>(block.handles(), block.count));
        block.count = 0;
      }
      own.bias.Leave(entry);
    }
  }
  (block.count == 0 ? own.depot.empty : own.depot.full).Push(blocks_, index);
  return handle;
}

// Half of the coldest of somebody's magazine. `busy` becomes true where somebody could not be
// looked at.
Handle Pool::PopMagazines(Slot& own, bool& busy) {
  Handle handle = kNoHandle;
  VisitOthers(own, [&](Slot& victim, std::size_t distance) {
    if (victim.magazine.looks_empty()) return false;
    const InTransit transit(own);
    if (!victim.bias.TryHold()) {
      busy = true;
      return false;
    }
    const uint32_t size = victim.magazine.size();
    std::array<Handle, kMaxBlockHandles> room;
    const auto stolen = std::span(room).first(std::min((size + 1) / 2, batch_));
    victim.magazine.Unload(stolen);
    victim.bias.Release();
    if (stolen.empty()) return false;
    victim.depot.stolen_from[distance].fetch_add(stolen.size(), std::memory_order_relaxed);
    own.stolen_by[distance].Add(stolen.size());
    own.acquired_by_steal[distance].Add();
    handle = stolen.back();
    Stash(own, stolen.first(stolen.size() - 1));
    return true;
  });
  return handle;
}

// A number that changes with every gain of any place, and `busy` where handles are in transit but
// for `own_transits` of the caller's. The transits of a slot are looked at before its places (I3).
uint64_t Pool::Stamp(const Slot& own, uint32_t own_transits, bool& busy) const {
  uint64_t sum = 0;
  for (SlotId s = 0; s < map_->slots(); ++s) {
    const Slot* const slot = Find(s);
    if (slot == nullptr) continue;
    const uint32_t expected = slot == &own ? own_transits : 0;
    busy |= slot->depot.transit.load(std::memory_order_acquire) != expected;
    sum += 1 + slot->magazine.gains() + slot->depot.full.tag();
  }
  return sum;
}

Handle Pool::PopExactly(Slot& own) {
  for (unsigned round = 0;; ++round) {
    bool busy = false;
    const uint64_t before = Stamp(own, 0, busy);
    Handle handle = PopDepots(own);
    if (handle == kNoHandle) handle = PopOwnMagazine(own, busy);
    if (handle == kNoHandle) handle = PopMagazines(own, busy);
    if (handle != kNoHandle) return handle;
    const uint64_t after = Stamp(own, 0, busy);
    if (before == after && !busy) {
      own.misses.Add();
      return kNoHandle;
    }
    Sync::Pause(round * 16);
  }
}

}  // namespace objpool
