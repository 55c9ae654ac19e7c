// Pool: a fixed set of handles, spread over one slot for each worker.
//
// A handle is a number in 0 .. capacity - 1. It is either free, in exactly one slot, or in the
// hands of a caller. Push and Pop work on the caller's own slot; a Pop that finds it empty steals
// half of the nearest slot that is not. The slot keeps its handles last in, first out, so what
// comes back warm goes out warm.
//
// Engine. Each slot has a magazine, which its owner works on with plain stores, and a depot of
// whole blocks, where anybody may take some. A Pop that finds its magazine empty looks in its own
// depot, then in those of others by distance, and only when all depots are empty takes half of
// somebody's magazine, which the owner is told of by losing its bias (bias.h).
//   I1  A free handle is in one magazine or one block in a depot, or in the hands of one thread
//       that holds a slot's `transit` (slot.h).
//   I2  Blocks in a depot's `full` have a handle at least.
//   I3  A Pop answers "none" only when it found every place empty between two looks at all counters
//       of gains and transits, which were the same and at rest: then all places were empty at once
//       when the second look began.
//   I4  A batch that wants more than one handle or none decides behind `batch_lock_`; nobody else
//       waits while holding handles.
// What is in the parts and why they are right is in their headers; the argument for the whole is in
// pool/README.md.
//
// Progress: Push and a Pop that finds something nearby are wait-free. A Pop that answers "none"
// waits for moves under way. An owner never waits for a thief that was stopped in the midst of its
// work.
//
// Threads: Attach, Push, Pop of one slot by one thread at a time, its owner; different slots by any
// threads at once. Stats and the constants by any thread. Nothing here reads a clock or starts a
// thread.
//
// It descends from the Linux kernel's objpool (include/linux/objpool.h): the fixed set, the per-CPU
// slots and Drain for its fini are from there; pool/README.md maps the rest.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "pool/base/check.h"
#include "pool/mapped_memory.h"
#include "pool/slot.h"
#include "pool/slot_map.h"

namespace objpool {

using Handle = uint32_t;
inline constexpr Handle kNoHandle = UINT32_MAX;

// The most handles that one pool may have, as in the kernel.
inline constexpr uint32_t kMaxCapacity = 1u << 24;

// What happened at one slot since it was made, in handles. It always holds, when the pool is at
// rest, that
//   occupancy = handles attached + pushes + sum(stolen_by) - sum(acquired_by_steal) - local_hits
//               - depot_hits - sum(stolen_from)
// Every counter but `occupancy`, which is computed from the others, only rises.
struct SlotStats {
  using ByDistance = std::array<uint64_t, kStealDistances>;
  uint64_t occupancy = 0;          // free here now
  uint64_t pushes = 0;             // that came back to this slot
  uint64_t local_hits = 0;         // popped by the owner out of its magazine
  uint64_t depot_hits = 0;         // popped by the owner right out of its own depot
  uint64_t misses = 0;             // pops (calls) that found too few in the whole pool
  ByDistance acquired_by_steal{};  // popped by the owner right out of another slot
  ByDistance stolen_by{};          // moved by the owner out of other slots, those above included
  ByDistance stolen_from{};        // moved by others out of this slot

  SlotStats& operator+=(const SlotStats& other);
};

class Pool {
 public:
  struct Options {
    uint32_t capacity = 0;  // 1 .. kMaxCapacity
    // Owners and steal order. Required.
    std::shared_ptr<const SlotMap> slots;
    // A handle pushed on another NUMA node than that of its share goes to the slot that it began
    // in, because the memory behind it is there. For handles that are only numbers, leave it off:
    // they stay where they are pushed.
    bool return_home = false;
    // Keeps owners and thieves apart by a lock in each slot, also where the bias could be had.
    bool slot_lock = false;
    // Where only some of the handles are this pool's, as when several pools share them: which, in
    // rising order. Empty: all. The engine's memory is touched for these only.
    std::vector<Share> members = {};
  };

  // Null, with `why` naming the option, its limit and its value, when an option is wrong or memory
  // runs out. The pool is empty until its slots are attached.
  [[nodiscard]] static std::unique_ptr<Pool> Create(const Options& options, std::string& why);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Puts the slot's share of handles into it. Once for each slot, by its pinned owner, before it
  // pushes or pops: the slot's memory is touched here first, and so lies on the owner's node.
  void Attach(SlotId slot);
  // The same where some handles are with callers already, as after a restart of whoever keeps the
  // pool: only those that `is_free` names begin in the slot, and the others are pushed one day.
  using IsFree = std::function<bool(Handle)>;
  void Attach(SlotId slot, const IsFree& is_free);
  // Attaches every slot from the calling thread, for a pool without pinned owners.
  void AttachAll();

  // Makes the calling thread the owner of a slot that another one used before. What that one did
  // must have happened before. Only the checked build looks at owners; without Adopt, a slot
  // belongs to the first thread that pushes or pops.
  void Adopt(SlotId slot);

  // An owner's way to its slot, without a look at where that is: the fastest one for single
  // handles. Of an attached slot; valid as long as the pool.
  class Local;
  [[nodiscard]] Local At(SlotId slot) const;

  // Takes one free handle: from the slot, or else from the nearest other one. kNoHandle when no
  // handle of the pool was free at some instant during the call. (Free is what a Push put there
  // that happened before this call; of two calls that run at once, either may count as the first.)
  [[nodiscard]] Handle Pop(SlotId slot);
  // Takes up to out.size() handles, and at least `min_count` of them or none at all; returns how
  // many were taken. 0 means that fewer than `min_count` were free at some instant during the call.
  // 1 <= min_count <= out.size().
  [[nodiscard]] uint32_t PopBatch(SlotId slot, std::span<Handle> out, uint32_t min_count);
  // Takes up to out.size() handles out of the slots of one NUMA node, and leaves those that it does
  // not need there; returns how many. For callers to whom that node is near: where it finds too
  // few, PopBatch knows whether there are more.
  [[nodiscard]] uint32_t PopBatchOfNode(SlotId slot, uint32_t node, std::span<Handle> out);

  // Gives handles back. Never refused: there is room for every handle in every slot. A handle that
  // is out of range is a bug and ends the process; so is, in the checked build, one that is free.
  void Push(SlotId slot, Handle handle);
  void PushBatch(SlotId slot, std::span<const Handle> handles);

  // Takes every free handle out of every slot and returns how many there were. While nobody pushes
  // or pops.
  uint32_t Drain();

  [[nodiscard]] uint32_t capacity() const { return capacity_; }
  [[nodiscard]] const SlotMap& slots() const { return *map_; }
  [[nodiscard]] SlotStats Stats(SlotId slot) const;
  // Free handles now, summed slot by slot. Exact when the pool is at rest.
  [[nodiscard]] uint64_t free() const;
  // How slots keep owner and thieves apart: "biased" or "slot_lock".
  [[nodiscard]] const char* engine() const { return biased_ ? "biased" : "slot_lock"; }
  // Whether Sync::HeavyFence works for this process.
  [[nodiscard]] bool has_heavy_fences() const { return biased_; }
  // Memory of the engine, in bytes.
  [[nodiscard]] std::size_t memory_bytes() const {
    return slot_memory_.bytes() + block_memory_.bytes();
  }

 private:
  using Entry = Bias<Sync>::Entry;
  using Word = decltype(Slot::magazine)::Word;
  class InTransit;
  struct Origins;

  explicit Pool(const Options& options);
  [[nodiscard]] std::vector<Share> MembersIn(Share share) const;
  void AttachBlocks(Slot& own, std::span<const Share> parts, Handle cold, const IsFree& is_free);
  static std::size_t SlotOffset(const SlotMap& map, SlotId slot);
  [[nodiscard]] uint32_t BlocksOf(uint32_t share) const;
  [[nodiscard]] uint32_t FirstBlock(SlotId slot) const;

  [[nodiscard]] Slot* Find(SlotId slot) const {
    return slot_at_[slot].load(std::memory_order_acquire);
  }
  [[nodiscard]] Slot& Own(SlotId slot) const;
  void CheckOwner(Slot& slot) const;
  void CheckPush(Handle handle);
  void CheckPop(Handle handle);

  // pool_pop.cc: a handle when the owner has no bias, and when the magazine does not give one.
  [[gnu::noinline]] static Handle PopShared(Slot& own);
  [[gnu::noinline]] Handle PopElsewhere(Slot& own);
  Handle PopOwnMagazine(Slot& own, bool& busy);
  Handle PopDepots(Slot& own);
  Handle PopMagazines(Slot& own, bool& busy);
  Handle PopExactly(Slot& own);
  Handle OpenBlock(Slot& own, uint32_t block);
  uint64_t Stamp(const Slot& own, uint32_t own_transits, bool& busy) const;
  template <typename Visit>
  bool VisitOthers(Slot& own, Visit visit) const;

  // pool_push.cc: the same of a push.
  [[gnu::noinline]] static void PushShared(Slot& own, Handle handle);
  [[gnu::noinline]] void PushElsewhere(Slot& own, Handle handle);
  [[nodiscard]] bool PushHome(Slot& own, Handle handle);
  [[nodiscard]] bool TryPushMany(Slot& own, std::span<const Handle> handles);
  [[gnu::noinline]] void PushBatchElsewhere(Slot& own, std::span<const Handle> handles);
  void Spill(Slot& own);
  void Stash(Slot& own, std::span<const Handle> handles);
  void AddToDepot(Slot& to, Slot& own, std::span<const Handle> handles);
  uint32_t TakeEmpty(Slot& own);
  uint32_t Compact(Slot& own, Slot& of);

  // pool_batch.cc
  [[nodiscard]] bool TryPopMany(Slot& own, std::span<Handle> out);
  [[gnu::noinline]] uint32_t PopBatchElsewhere(Slot& own, std::span<Handle> out,
                                               uint32_t min_count);
  uint32_t Gather(Slot& own, std::span<Handle> out, Origins& from, bool& busy);
  uint32_t GatherOwn(Slot& own, std::span<Handle> out, Origins& from, bool& busy);
  uint32_t GatherBlock(Slot& to, uint32_t block, std::span<Handle> out);
  uint32_t GatherDepot(Slot& own, Slot& victim, std::size_t distance, std::span<Handle> out);
  uint32_t GatherMagazine(Slot& own, Slot& victim, std::size_t distance, std::span<Handle> out,
                          bool& busy);
  uint32_t GatherThere(Slot& own, Slot& victim, std::size_t distance, std::span<Handle> out);

  const uint32_t capacity_;
  const bool return_home_;
  const std::vector<Share> members_;  // those that there are; never empty
  const bool biased_;
  // Handles of a block, and half of a magazine: fewer where handles are scarce, so that magazines
  // hide no more than half of them.
  const uint32_t batch_;
  const uint32_t room_;  // of a magazine
  const unsigned born_;  // ForkGeneration()
  const std::shared_ptr<const SlotMap> map_;
  MappedMemory slot_memory_;
  MappedMemory block_memory_;
  const BlockArray blocks_;
  // Null until the slot is attached.
  //   R1  Attach stores the pointer to a built slot   pairs with   A1  every load by another thread
  std::unique_ptr<std::atomic<Slot*>[]> slot_at_;
  Sync::Mutex batch_lock_;
  std::unique_ptr<std::atomic<bool>[]> free_;  // the checked build's memory of who is free
};

// One word: copy it.
class Pool::Local {
 public:
  // As Pool's.
  [[nodiscard]] Handle Pop() const;
  void Push(Handle handle) const;

 private:
  friend Pool;
  explicit Local(Slot& own) : own_(&own) {}
  Slot* own_;
};

inline Pool::Local Pool::At(SlotId slot) const {
  OBJPOOL_DCHECK(slot < map_->slots() && Find(slot) != nullptr,
                 "a slot is attached before its use");
  return Local(*slot_at_[slot].load(std::memory_order_relaxed));  // the caller attached it
}

inline Slot& Pool::Own(SlotId slot) const {
  Slot& own = *At(slot).own_;
  if constexpr (kObjpoolChecked) CheckOwner(own);
  return own;
}

inline Handle Pool::Local::Pop() const {
  Slot& own = *own_;
  if constexpr (kObjpoolChecked) own.pool.CheckOwner(own);
  Handle handle = kNoHandle;
  if (own.bias.EnterFast()) [[likely]] {
    const Word now = own.magazine.word();
    if (now.size() != 0) [[likely]] {
      handle = own.magazine.Pop(now);
      own.bias.LeaveFast();
    } else {
      own.bias.LeaveFast();
      handle = own.pool.PopElsewhere(own);
    }
  } else {
    handle = PopShared(own);
  }
  if constexpr (kObjpoolChecked) own.pool.CheckPop(handle);
  return handle;
}

inline void Pool::Local::Push(Handle handle) const {
  Slot& own = *own_;
  OBJPOOL_CHECK(handle < own.handle_end, "a handle is below the capacity");
  if constexpr (kObjpoolChecked) {
    own.pool.CheckPush(handle);
    own.pool.CheckOwner(own);
  }
  if (!own.bias.EnterFast()) [[unlikely]] {
    PushShared(own, handle);
    return;
  }
  const Word now = own.magazine.word();
  if (now.size() < own.push_room) [[likely]] {
    own.magazine.Push(now, handle);
    own.bias.LeaveFast();
    return;
  }
  own.bias.LeaveFast();
  own.pool.PushElsewhere(own, handle);
}

inline Handle Pool::Pop(SlotId slot) { return At(slot).Pop(); }
inline void Pool::Push(SlotId slot, Handle handle) { At(slot).Push(handle); }

}  // namespace objpool
