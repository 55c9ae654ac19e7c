// Push, when the owner's magazine does not take the handle: spilling to the depot, handles that go
// home, and the blocks for them.
#include <algorithm>
#include <span>

#include "pool/pool.h"
#include "pool/transit.h"

namespace objpool {
namespace {

// First by all their bits at once, which says yes where `end` is a power of two, and else often:
// the loop has no way out and no comparison, so that the compiler takes many handles at a time.
bool AllBelow(std::span<const Handle> handles, uint32_t end) {
  Handle bits = 0;
#pragma GCC unroll 4
  for (const Handle handle : handles) bits |= handle;
  return bits < end || std::ranges::all_of(handles, [&](Handle handle) { return handle < end; });
}

}  // namespace

void Pool::PushShared(Slot& own, Handle handle) {
  if (own.bias.EnterShared() != Entry::kRefused) [[likely]] {
    const Word now = own.magazine.word();
    const bool fits = now.size() < own.push_room;
    if (fits) own.magazine.Push(now, handle);
    own.bias.LeaveShared();
    if (fits) [[likely]] {
      return;
    }
  }
  own.pool.PushElsewhere(own, handle);
}

void Pool::PushElsewhere(Slot& own, Handle handle) {
  OBJPOOL_CHECK(born_ == ForkGeneration(),
                "a pool is not used in a child of the process that made it");
  if (return_home_ && PushHome(own, handle)) return;
  for (int tries = 0; tries < 2; ++tries) {
    const Entry entry = own.bias.Enter();
    if (entry == Entry::kRefused) break;
    const Word now = own.magazine.word();
    const bool fits = now.size() < room_;
    if (fits) own.magazine.Push(now, handle);
    own.bias.Leave(entry);
    if (fits) return;
    if (tries == 0) Spill(own);  // a thief may keep it from being done
  }
  const InTransit transit(own);
  AddToDepot(own, own, std::span(&handle, 1));
  own.direct_pushes.Add();
}

// To the slot that the handle began in, where that is on another node; there, to the depot. Whether
// it is.
bool Pool::PushHome(Slot& own, Handle handle) {
  const SlotId home_id = HomeOf(capacity_, map_->slots(), handle);
  Slot* const home = Find(home_id);
  if (home == nullptr || map_->owner(home_id).node == map_->owner(own.id).node) return false;
  const InTransit transit(*home);
  AddToDepot(*home, own, std::span(&handle, 1));
  home->depot.pushes_from_elsewhere.fetch_add(1, std::memory_order_relaxed);
  return true;
}

// Moves the colder half of the magazine to the depot.
void Pool::Spill(Slot& own) {
  own.depot.full.PrefetchHead();  // a thief may have it
  const uint32_t index = TakeEmpty(own);
  Block<Sync>& block = blocks_[index];
  const InTransit transit(own);
  const Entry entry = own.bias.Enter();
  if (entry != Entry::kRefused) {
    const uint32_t size = own.magazine.size();
    block.count = std::min(batch_, size);
    own.magazine.Unload(std::span<Handle>(block.handles(), block.count));
    own.bias.Leave(entry);
  }
  (block.count == 0 ? own.depot.empty : own.depot.full).Push(blocks_, index);
}

// Puts handles of the pool, in transit, where the owner has them at hand.
void Pool::Stash(Slot& own, std::span<const Handle> handles) {
  if (handles.empty()) return;
  const Entry entry = own.bias.Enter();
  if (entry != Entry::kRefused) {
    const uint32_t size = own.magazine.size();
    const bool fits = size + handles.size() <= room_;
    if (fits) own.magazine.Load(handles);
    own.bias.Leave(entry);
    if (fits) return;
  }
  AddToDepot(own, own, handles);
}

// Puts at most a block of handles into the depot of `to`, whose transit the caller holds: into the
// topmost block where there is room, so that blocks do not come to be many and nearly empty.
void Pool::AddToDepot(Slot& to, Slot& own, std::span<const Handle> handles) {
  uint32_t index = to.depot.full.Pop(blocks_);
  if (index != 0 && blocks_[index].count + handles.size() > batch_) {
    to.depot.full.Push(blocks_, index);
    index = 0;
  }
  if (index == 0) index = TakeEmpty(own);
  Block<Sync>& block = blocks_[index];
  std::copy(handles.begin(), handles.end(), block.handles() + block.count);
  block.count += static_cast<uint32_t>(handles.size());
  to.depot.full.Push(blocks_, index);
}

// An empty block: of the own depot, of another one, or made by filling up others.
uint32_t Pool::TakeEmpty(Slot& own) {
  for (unsigned tries = 0;; ++tries) {
    if (const uint32_t block = own.depot.empty.Pop(blocks_); block != 0) return block;
    uint32_t found = 0;
    VisitOthers(own, [&](Slot& victim, std::size_t) {
      const Chain chain = victim.depot.empty.PopHalf(blocks_, kMaxStolenBlocks);
      if (chain.length > 1) {
        const uint32_t second = blocks_[chain.first].next.load(std::memory_order_relaxed);
        own.depot.empty.Push(blocks_, {second, chain.last, chain.length - 1});
      }
      found = chain.first;
      return found != 0;
    });
    if (found == 0) found = Compact(own, own);
    if (found == 0) {
      VisitOthers(own, [&](Slot& victim, std::size_t) {
        found = Compact(own, victim);
        return found != 0;
      });
    }
    if (found != 0) return found;
    Sync::Pause(tries * 16);  // there are more blocks than hands: some are on their way back
  }
}

// Fills blocks of a depot up out of each other: the upper ones, and on to the last where those are
// full, because deep blocks of a handle or two may be all the room there is. An empty one that came
// of it, or 0; what else became empty goes to the own depot.
uint32_t Pool::Compact(Slot& own, Slot& of) {
  constexpr uint32_t kBlocks = 64;
  const InTransit transit(of);
  Chain full, empty;
  uint32_t filling = 0;
  const auto add = [&](Chain& chain, uint32_t index) {
    blocks_[index].next.store(chain.first, std::memory_order_relaxed);
    chain = {index, chain.length == 0 ? index : chain.last, chain.length + 1};
  };
  for (uint32_t seen = 0; seen < kBlocks || empty.length == 0; ++seen) {
    const uint32_t index = of.depot.full.Pop(blocks_);
    if (index == 0) break;
    if (filling == 0) {
      filling = index;
      continue;
    }
    Block<Sync>& from = blocks_[index];
    Block<Sync>& to = blocks_[filling];
    const uint32_t moved = std::min(from.count, batch_ - to.count);
    from.count -= moved;
    std::copy_n(from.handles() + from.count, moved, to.handles() + to.count);
    to.count += moved;
    if (from.count == 0) {
      add(empty, index);
    } else {
      add(full, filling);
      filling = index;
    }
  }
  if (full.length != 0) of.depot.full.Push(blocks_, full);
  if (filling != 0) of.depot.full.Push(blocks_, filling);
  if (empty.length > 1) {
    const uint32_t second = blocks_[empty.first].next.load(std::memory_order_relaxed);
    own.depot.empty.Push(blocks_, {second, empty.last, empty.length - 1});
  }
  return empty.first;
}

void Pool::PushBatch(SlotId slot, std::span<const Handle> handles) {
  if (return_home_) {
    for (const Handle handle : handles) Push(slot, handle);
    return;
  }
  OBJPOOL_CHECK(AllBelow(handles, capacity_), "a handle is below the capacity");
  if constexpr (kObjpoolChecked) {
    for (const Handle handle : handles) CheckPush(handle);
  }
  Slot& own = Own(slot);
  if (own.bias.EnterFast()) [[likely]] {
    const Word now = own.magazine.word();
    const bool fits = now.size() + handles.size() <= own.push_room;
    if (fits) [[likely]] {
      own.magazine.PushMany(now, handles);
    }
    own.bias.LeaveFast();
    if (fits) [[likely]] {
      return;
    }
  }
  PushBatchElsewhere(own, handles);
}

// Whether the magazine took them all.
bool Pool::TryPushMany(Slot& own, std::span<const Handle> handles) {
  const Entry entry = own.bias.Enter();
  if (entry == Entry::kRefused) [[unlikely]] {
    return false;
  }
  const Word now = own.magazine.word();
  const bool fits = now.size() + handles.size() <= room_;
  if (fits) own.magazine.PushMany(now, handles);
  own.bias.Leave(entry);
  return fits;
}

// Whole blocks go to the depot; the rest is for the magazine, where room is made for it.
void Pool::PushBatchElsewhere(Slot& own, std::span<const Handle> handles) {
  OBJPOOL_CHECK(born_ == ForkGeneration(),
                "a pool is not used in a child of the process that made it");
  while (!handles.empty()) {
    if (handles.size() <= batch_) {
      if (TryPushMany(own, handles)) return;
      Spill(own);
      if (TryPushMany(own, handles)) return;
    }
    const auto part = handles.first(std::min<std::size_t>(batch_, handles.size()));
    const InTransit transit(own);
    AddToDepot(own, own, part);
    own.direct_pushes.Add(part.size());
    handles = handles.subspan(part.size());
  }
}

}  // namespace objpool
