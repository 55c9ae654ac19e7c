// Pool: a fixed set of handles, spread over one slot for each worker.
//
// A handle is a number in 0 .. capacity - 1. It is either free, in exactly one slot, or in the
// hands of a caller. Push and Pop work on the caller's own slot; a Pop that finds it empty steals
// half of the nearest slot that is not. The slot keeps its handles last in, first out, so what
// comes back warm goes out warm.
//
// Engine: "slot_lock". Each slot is a linked list of handles under a lock of its own.
//   I1  next_[h] belongs to the slot whose list holds h, and is guarded by that slot's lock; for a
//       handle in a caller's hands, nobody reads it.
//   I2  A slot's `count` is the length of its list whenever its lock is free.
//   I3  A handle moves from slot to slot only while both locks are held, so it is never in neither.
//   I4  Locks are taken in the order of slot numbers, so they cannot deadlock.
//   I5  A Pop answers "none" only after it held all locks at once and counted too few: at that
//       instant, it was true of the whole pool.
// Progress: blocking. Push waits for one lock, Pop for at most all of them.
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
#include <memory>
#include <span>
#include <string>

#include "pool/mapped_memory.h"
#include "pool/slot_map.h"

namespace objpool {

using Handle = uint32_t;
inline constexpr Handle kNoHandle = UINT32_MAX;

// The most handles that one pool may have, as in the kernel.
inline constexpr uint32_t kMaxCapacity = 1u << 24;

// What happened at one slot since it was made, in handles. It always holds, when the pool is at
// rest, that
//   occupancy = handles attached + pushes + sum(stolen_by) - sum(acquired_by_steal) - local_hits
//               - sum(stolen_from)
struct SlotStats {
  using ByDistance = std::array<uint64_t, kStealDistances>;
  uint64_t occupancy = 0;          // free here now
  uint64_t pushes = 0;             // that came back to this slot
  uint64_t local_hits = 0;         // popped by the owner out of this slot
  uint64_t misses = 0;             // pops (calls) that found too few in the whole pool
  ByDistance acquired_by_steal{};  // popped by the owner right out of another slot
  ByDistance stolen_by{};          // moved by the owner out of other slots, those above included
  ByDistance stolen_from{};        // moved by others out of this slot
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
  // Attaches every slot from the calling thread, for a pool without pinned owners.
  void AttachAll();

  // Takes one free handle: from the slot, or else from the nearest other one. kNoHandle when no
  // handle of the pool was free at some instant during the call.
  [[nodiscard]] Handle Pop(SlotId slot);
  // Takes up to out.size() handles, and at least `min_count` of them or none at all; returns how
  // many were taken. 0 means that fewer than `min_count` were free at some instant during the call.
  // 1 <= min_count <= out.size().
  [[nodiscard]] uint32_t PopBatch(SlotId slot, std::span<Handle> out, uint32_t min_count);

  // Gives handles back. Never refused: there is room for every handle in every slot. A handle that
  // is out of range is a bug and ends the process; so is, in the checked build, one that is free.
  void Push(SlotId slot, Handle handle);
  void PushBatch(SlotId slot, std::span<const Handle> handles);

  // Takes every free handle out of every slot at one instant and returns how many there were. Later
  // pops find nothing until something is pushed.
  uint32_t Drain();

  [[nodiscard]] uint32_t capacity() const { return capacity_; }
  [[nodiscard]] const SlotMap& slots() const { return *map_; }
  [[nodiscard]] SlotStats Stats(SlotId slot) const;
  // Free handles now, summed slot by slot. Exact when the pool is at rest.
  [[nodiscard]] uint64_t free() const;
  // How slots keep owner and thieves apart: "slot_lock".
  [[nodiscard]] static const char* engine() { return "slot_lock"; }

 private:
  struct Slot;
  class AllLocked;

  explicit Pool(const Options& options);
  static std::size_t SlotOffset(const SlotMap& map, SlotId slot);
  [[nodiscard]] Slot* Find(SlotId slot) const;
  [[nodiscard]] Slot& Own(SlotId slot) const;
  void PushHere(Slot& slot, Handle handle);
  Handle PopHere(Slot& slot);
  Handle Steal(Slot& thief, Slot& victim, StealDistance distance);
  uint32_t PopFromAll(SlotId slot, std::span<Handle> out, uint32_t min_count);
  [[nodiscard]] SlotId Destination(SlotId slot, Handle handle) const;

  const uint32_t capacity_;
  const bool return_home_;
  const std::shared_ptr<const SlotMap> map_;
  MappedMemory slot_memory_;
  MappedMemory next_memory_;
  Handle* next_ = nullptr;  // next_[h] is the handle under h in its slot's list
  // Null until the slot is attached.
  //   R1  Attach stores the pointer to a built slot   pairs with   A1  every load by another thread
  std::unique_ptr<std::atomic<Slot*>[]> slot_at_;
  std::unique_ptr<std::atomic<bool>[]> free_;  // the checked build's memory of who is free
};

}  // namespace objpool
