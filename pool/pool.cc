#include "pool/pool.h"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "pool/base/cache_line.h"
#include "pool/base/check.h"
#include "pool/base/counter.h"

namespace objpool {
namespace {

// A steal walks the stolen half of the list under two locks, so it is bounded: long enough that the
// next pops of the thief are local, short enough (about a microsecond) that nobody waits for it.
constexpr uint32_t kMaxStolen = 64;

using DistanceCounters = std::array<base::Counter, kStealDistances>;

std::size_t Index(StealDistance distance) { return static_cast<std::size_t>(distance); }

SlotStats::ByDistance Values(const DistanceCounters& counters) {
  SlotStats::ByDistance out{};
  for (std::size_t i = 0; i < kStealDistances; ++i) out[i] = counters[i].value();
  return out;
}

}  // namespace

// All members are guarded by `lock`; what other threads may read without it is atomic. Padded so
// that the owner of one slot does not slow its neighbour.
struct alignas(base::kCacheLineBytes) Pool::Slot {
  std::mutex lock;
  Handle head = kNoHandle;
  std::atomic<uint32_t> count{0};
  base::Counter pushes, local_hits, misses;
  DistanceCounters acquired_by_steal, stolen_by, stolen_from;

  void Resize(uint32_t to) { count.store(to, std::memory_order_relaxed); }
  [[nodiscard]] uint32_t size() const { return count.load(std::memory_order_relaxed); }
};

// Holds the locks of all attached slots, taken in the order of their numbers (I4).
class Pool::AllLocked {
 public:
  explicit AllLocked(const Pool& pool) : count_(pool.map_->slots()) {
    for (SlotId s = 0; s < count_; ++s) {
      locked_[s] = pool.Find(s);
      if (locked_[s] != nullptr) locked_[s]->lock.lock();
    }
  }
  ~AllLocked() {
    for (SlotId s = 0; s < count_; ++s) {
      if (locked_[s] != nullptr) locked_[s]->lock.unlock();
    }
  }
  AllLocked(const AllLocked&) = delete;
  AllLocked& operator=(const AllLocked&) = delete;

  // Null for a slot that was not attached yet when the locks were taken.
  [[nodiscard]] Slot* at(SlotId slot) const { return locked_[slot]; }
  [[nodiscard]] SlotId count() const { return count_; }

 private:
  SlotId count_;
  std::array<Slot*, SlotMap::kMaxSlots> locked_;
};

std::unique_ptr<Pool> Pool::Create(const Options& options, std::string& why) {
  if (options.slots == nullptr) {
    why = "slots must be set";
    return nullptr;
  }
  if (options.capacity < 1 || options.capacity > kMaxCapacity) {
    why = "capacity must be 1 .. " + std::to_string(kMaxCapacity) + ", got " +
          std::to_string(options.capacity);
    return nullptr;
  }
  std::unique_ptr<Pool> pool(new Pool(options));
  if (pool->slot_memory_.empty() || pool->next_memory_.empty()) {
    why = "no memory for capacity " + std::to_string(options.capacity) + " in " +
          std::to_string(options.slots->slots()) + " slots";
    return nullptr;
  }
  return pool;
}

Pool::Pool(const Options& options)
    : capacity_(options.capacity),
      return_home_(options.return_home),
      map_(options.slots),
      slot_memory_(SlotOffset(*map_, map_->slots())),
      next_memory_(std::size_t{capacity_} * sizeof(Handle)),
      next_(reinterpret_cast<Handle*>(next_memory_.base())),
      slot_at_(new std::atomic<Slot*>[map_->slots()]()) {
  if (kObjpoolChecked) free_ = std::make_unique<std::atomic<bool>[]>(capacity_);
}

Pool::~Pool() {
  for (SlotId s = 0; s < map_->slots(); ++s) {
    if (Slot* const slot = Find(s)) std::destroy_at(slot);
  }
}

// Slots of one node are neighbours and begin on a page of their own, so that only that node touches
// the page.
std::size_t Pool::SlotOffset(const SlotMap& map, SlotId slot) {
  std::size_t offset = 0;
  for (SlotId s = 0; s < slot; ++s) {
    const bool ends_node = s + 1 < map.slots() && map.owner(s).node != map.owner(s + 1).node;
    offset += sizeof(Slot);
    if (ends_node) offset = RoundUpToPages(offset);
  }
  return offset;
}

Pool::Slot* Pool::Find(SlotId slot) const {
  return slot_at_[slot].load(std::memory_order_acquire);  // A1 <- R1
}

Pool::Slot& Pool::Own(SlotId slot) const {
  OBJPOOL_CHECK(slot < map_->slots(), "the slot is in the map");
  Slot* const own = Find(slot);
  OBJPOOL_CHECK(own != nullptr, "a slot is attached before it is used");
  return *own;
}

void Pool::Attach(SlotId slot) {
  OBJPOOL_CHECK(slot < map_->slots(), "the slot is in the map");
  OBJPOOL_CHECK(Find(slot) == nullptr, "a slot is attached once");
  auto* const own = new (slot_memory_.base() + SlotOffset(*map_, slot)) Slot;
  const auto [first, last] = ShareOf(capacity_, map_->slots(), slot);
  // Downwards, so that handles leave in rising order. Nobody else sees the slot yet.
  for (Handle handle = last; handle > first; --handle) PushHere(*own, handle - 1);
  slot_at_[slot].store(own, std::memory_order_release);  // R1 -> A1
}

void Pool::AttachAll() {
  for (SlotId s = 0; s < map_->slots(); ++s) Attach(s);
}

void Pool::PushHere(Slot& slot, Handle handle) {
  OBJPOOL_CHECK(handle < capacity_, "a handle is below the capacity");
  OBJPOOL_DCHECK(!free_[handle].exchange(true), "a handle that is free is not pushed");
  next_[handle] = slot.head;
  slot.head = handle;
  slot.Resize(slot.size() + 1);
}

Handle Pool::PopHere(Slot& slot) {
  const Handle handle = slot.head;
  if (handle == kNoHandle) return kNoHandle;
  OBJPOOL_DCHECK(free_[handle].exchange(false), "a handle in a slot is free");
  slot.head = next_[handle];
  slot.Resize(slot.size() - 1);
  return handle;
}

Handle Pool::Pop(SlotId slot) {
  Slot& own = Own(slot);
  {
    const std::scoped_lock lock(own.lock);
    if (const Handle handle = PopHere(own); handle != kNoHandle) {
      own.local_hits.Add();
      return handle;
    }
  }
  for (const StealTarget& target : map_->order(slot)) {
    Slot* const victim = Find(target.slot);
    if (victim == nullptr || victim->size() == 0) continue;
    const bool own_first = slot < target.slot;
    const std::scoped_lock first((own_first ? own : *victim).lock);   // I4
    const std::scoped_lock second((own_first ? *victim : own).lock);  // I3
    const Handle handle = Steal(own, *victim, target.distance);
    if (handle != kNoHandle) return handle;
  }
  Handle handle = kNoHandle;
  return PopFromAll(slot, {&handle, 1}, 1) == 1 ? handle : kNoHandle;
}

// Moves half of the victim's handles, rounded up, to the thief, and gives one of them out. Both
// locks are held.
Handle Pool::Steal(Slot& thief, Slot& victim, StealDistance distance) {
  const uint32_t take = std::min(kMaxStolen, (victim.size() + 1) / 2);
  if (take == 0) return kNoHandle;
  const Handle out = PopHere(victim);
  for (uint32_t moved = 1; moved < take; ++moved) PushHere(thief, PopHere(victim));
  victim.stolen_from[Index(distance)].Add(take);
  thief.stolen_by[Index(distance)].Add(take);
  thief.acquired_by_steal[Index(distance)].Add();
  return out;
}

uint32_t Pool::PopBatch(SlotId slot, std::span<Handle> out, uint32_t min_count) {
  OBJPOOL_CHECK(min_count >= 1 && min_count <= out.size(), "1 <= min_count <= room for handles");
  if (out.size() == 1) {
    out[0] = Pop(slot);
    return out[0] == kNoHandle ? 0 : 1;
  }
  Slot& own = Own(slot);
  {
    const std::scoped_lock lock(own.lock);
    if (own.size() >= out.size()) {
      for (Handle& handle : out) handle = PopHere(own);
      own.local_hits.Add(out.size());
      return static_cast<uint32_t>(out.size());
    }
  }
  return PopFromAll(slot, out, min_count);
}

// Decides under all locks, so that a "too few" is true of one instant (I5) and two half-served
// batches never starve each other.
uint32_t Pool::PopFromAll(SlotId slot, std::span<Handle> out, uint32_t min_count) {
  Slot& own = Own(slot);
  const AllLocked all(*this);
  std::size_t free = 0;
  for (SlotId s = 0; s < all.count(); ++s) free += all.at(s) == nullptr ? 0 : all.at(s)->size();
  if (free < min_count) {
    own.misses.Add();
    return 0;
  }
  uint32_t taken = 0;
  for (; taken < out.size() && own.size() > 0; ++taken) out[taken] = PopHere(own);
  own.local_hits.Add(taken);
  for (const StealTarget& target : map_->order(slot)) {
    Slot* const victim = all.at(target.slot);
    if (victim == nullptr) continue;
    uint32_t stolen = 0;
    for (; taken < out.size() && victim->size() > 0; ++taken, ++stolen) {
      out[taken] = PopHere(*victim);
    }
    victim->stolen_from[Index(target.distance)].Add(stolen);
    own.stolen_by[Index(target.distance)].Add(stolen);
    own.acquired_by_steal[Index(target.distance)].Add(stolen);
  }
  return taken;
}

SlotId Pool::Destination(SlotId slot, Handle handle) const {
  if (!return_home_ || handle >= capacity_) return slot;
  const SlotId home = HomeOf(capacity_, map_->slots(), handle);
  return map_->owner(home).node == map_->owner(slot).node ? slot : home;
}

void Pool::Push(SlotId slot, Handle handle) {
  Slot& to = Own(Destination(slot, handle));
  const std::scoped_lock lock(to.lock);
  PushHere(to, handle);
  to.pushes.Add();
}

void Pool::PushBatch(SlotId slot, std::span<const Handle> handles) {
  if (return_home_) {
    for (const Handle handle : handles) Push(slot, handle);
    return;
  }
  Slot& own = Own(slot);
  const std::scoped_lock lock(own.lock);
  for (const Handle handle : handles) PushHere(own, handle);
  own.pushes.Add(handles.size());
}

uint32_t Pool::Drain() {
  const AllLocked all(*this);
  uint32_t drained = 0;
  for (SlotId s = 0; s < all.count(); ++s) {
    while (all.at(s) != nullptr && PopHere(*all.at(s)) != kNoHandle) ++drained;
  }
  return drained;
}

SlotStats Pool::Stats(SlotId slot) const {
  OBJPOOL_CHECK(slot < map_->slots(), "the slot is in the map");
  const Slot* const s = Find(slot);
  if (s == nullptr) return {};
  return {.occupancy = s->size(),
          .pushes = s->pushes.value(),
          .local_hits = s->local_hits.value(),
          .misses = s->misses.value(),
          .acquired_by_steal = Values(s->acquired_by_steal),
          .stolen_by = Values(s->stolen_by),
          .stolen_from = Values(s->stolen_from)};
}

uint64_t Pool::free() const {
  uint64_t sum = 0;
  for (SlotId s = 0; s < map_->slots(); ++s) {
    if (const Slot* const slot = Find(s)) sum += slot->size();
  }
  return sum;
}

}  // namespace objpool
