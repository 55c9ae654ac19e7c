// LeasePool: where handles are that are neither free nor leased.
#include <algorithm>
#include <array>
#include <utility>

#include "pool/base/check.h"
#include "pool/sync.h"
#include "server/lease/lease_pool.h"

namespace objpool::lease {

// Brings a handle, of which the caller has just ended the grant or the rest, to its place; into
// `back` when it is free.
void LeasePool::Settle(SlotId worker, Handle handle, LeaseWord left, BootMs now, Batch& back) {
  quotas_.TakeBack(handle);
  if (SomeAreCondemned() && QuarantineCondemned(worker, handle, left)) return;
  switch (left.place()) {
    case Place::kFree:
      back.handles[back.count++] = handle;
      return;
    case Place::kDirty:
      AddDirty(worker, handle, left, now);
      return;
    case Place::kResting:
      cells_[worker].rests_begun.Add();
      return;
    case Place::kQuarantined:
      cells_[worker].quarantined.Add();
      return;
  }
  base::CheckFailed(__FILE__, __LINE__, "Settle", "a place is one of these");
}

void LeasePool::AddDirty(SlotId worker, Handle handle, LeaseWord left, BootMs now) {
  const std::scoped_lock lock(queue_lock_);
  if (!table_->IsStill(handle, left)) return;  // quarantined on its way
  dirty_[classes().ClassOf(handle)].push_back(handle);
  if (GraceLeftMs(now) == 0 && !draining()) ServeFrom(dirty_queue_, worker, now);
}

// The list, of some classes, whose first handle has been dirty for the longest; null where all are
// empty.
std::deque<Handle>* LeasePool::LongestDirty(ClassMask of) {
  std::deque<Handle>* longest = nullptr;
  for (ClassId id = 0; id < classes().count(); ++id) {
    if ((of >> id & 1) == 0 || dirty_[id].empty()) continue;
    const auto since = [this](const std::deque<Handle>& list) {
      return table_->See(list.front()).time;
    };
    if (longest == nullptr || since(dirty_[id]) < since(*longest)) longest = &dirty_[id];
  }
  return longest;
}

// Behind the queue's lock, like every step of a handle that is in a list.
uint32_t LeasePool::TakeDirty(SlotId worker, const Wish& wish, BootMs now,
                              std::span<GrantRef> out) {
  std::array<Handle, kMaxBatch> handles;
  std::size_t wanted = 0;
  for (ClassId id = 0; id < classes().count(); ++id) {
    if ((wish.classes >> id & 1) != 0) wanted += dirty_[id].size();
  }
  if (wanted < wish.min_count) return 0;
  wanted = std::min(wanted, out.size());
  for (std::size_t i = 0; i < wanted; ++i) {
    std::deque<Handle>* const list = LongestDirty(wish.classes);
    handles[i] = list->front();
    list->pop_front();
  }
  const uint32_t count = GrantAll(worker, std::span(handles).first(wanted), wish, now, out);
  OBJPOOL_CHECK(count == wanted, "what is in the list is dirty");
  cells_[worker].granted.Add(count);
  return count;
}

bool LeasePool::IsAt(Handle handle, Place place) const {
  const HandleView view = table_->See(handle);
  return !view.leased && view.place == place;
}

// Behind the lock of the condemned. Whether it was one.
bool LeasePool::Pardon(Handle handle) {
  if (condemned_.erase(handle) == 0) return false;
  condemned_count_.fetch_sub(1, std::memory_order_acq_rel);
  return true;
}

// Whether the handle, which the caller has left so, was condemned and is quarantined now.
bool LeasePool::QuarantineCondemned(SlotId worker, Handle handle, LeaseWord left) {
  const std::scoped_lock lock(condemned_lock_);
  const auto entry = condemned_.find(handle);
  if (entry == condemned_.end()) return false;
  if (left.place() == Place::kFree) {
    // The caller's alone until it is pushed: free still, or quarantined as if it were in the pool.
    OBJPOOL_CHECK(entry->second || table_->Move(handle, left, Place::kQuarantined),
                  "a free handle is moved by Quarantine only");
  } else if (entry->second || !(left.place() == Place::kQuarantined
                                    ? table_->IsStill(handle, left)
                                    : table_->Move(handle, left, Place::kQuarantined))) {
    return false;  // somebody else has moved it on, who looks here too
  }
  Pardon(handle);
  cells_[worker].quarantined.Add();
  return true;
}

// Takes those out of popped handles that are condemned, or were quarantined in the pool. How many
// are left, in front.
uint32_t LeasePool::DropQuarantined(SlotId worker, std::span<Handle> handles) {
  const std::scoped_lock lock(condemned_lock_);
  const auto end = std::remove_if(handles.begin(), handles.end(), [&](Handle handle) {
    const auto entry = condemned_.find(handle);
    if (entry == condemned_.end()) return false;
    OBJPOOL_CHECK(entry->second || table_->Move(handle, Place::kFree, Place::kQuarantined),
                  "what is popped is free, or quarantined in the pool");
    Pardon(handle);
    cells_[worker].quarantined.Add();
    return true;
  });
  return static_cast<uint32_t>(end - handles.begin());
}

// Behind both locks. False when the handle is leased.
bool LeasePool::TryQuarantine(SlotId worker, Handle handle) {
  if (IsAt(handle, Place::kQuarantined)) return true;
  const bool dirty = table_->Move(handle, Place::kDirty, Place::kQuarantined);
  if (dirty) std::erase(dirty_[classes().ClassOf(handle)], handle);
  const bool rests = !dirty && table_->Move(handle, Place::kResting, Place::kQuarantined);
  if (rests) cells_[worker].rests_ended.Add();
  if (dirty || rests) {
    Pardon(handle);
    cells_[worker].quarantined.Add();
    return true;
  }
  if (!table_->Move(handle, Place::kFree, Place::kQuarantined)) return false;
  // It is in the pool, and counted when it is popped.
  if (condemned_.insert_or_assign(handle, true).second) {
    condemned_count_.fetch_add(1, std::memory_order_acq_rel);
  }
  return true;
}

LeasePool::Quarantined LeasePool::Quarantine(SlotId worker, Handle handle) {
  {
    const std::scoped_lock lock(queue_lock_, condemned_lock_);
    if (condemned_.size() >= kMaxCondemned) return Quarantined::kTooMany;
    if (TryQuarantine(worker, handle)) return Quarantined::kNow;
    if (condemned_.emplace(handle, false).second) {
      condemned_count_.fetch_add(1, std::memory_order_acq_rel);
    }
  }
  // Whoever ends its grant from here on sees it condemned; what was done before is seen now.
  if (pool_->has_heavy_fences()) Sync::HeavyFence();
  const std::scoped_lock lock(queue_lock_, condemned_lock_);
  if (!condemned_.contains(handle)) return Quarantined::kNow;
  return TryQuarantine(worker, handle) ? Quarantined::kNow : Quarantined::kCondemned;
}

bool LeasePool::Reinstate(SlotId worker, Handle handle, BootMs now) {
  {
    const std::scoped_lock lock(condemned_lock_);
    const auto entry = condemned_.find(handle);
    const bool in_pool = entry != condemned_.end() && entry->second;
    const bool condemned = Pardon(handle);
    const bool freed = table_->Move(handle, Place::kQuarantined, Place::kFree);
    if (in_pool || !freed) return condemned;
    cells_[worker].reinstated.Add();
  }
  TakeBack(worker, std::span(&handle, 1), now);
  return true;
}

bool LeasePool::IsCondemned(Handle handle) const {
  const std::scoped_lock lock(condemned_lock_);
  const auto entry = condemned_.find(handle);
  return entry != condemned_.end() && !entry->second;
}

LeasePool::Census LeasePool::Counted() const {
  uint64_t quarantined_in_pool = 0;
  {
    const std::scoped_lock lock(condemned_lock_);
    for (const auto& [handle, in_pool] : condemned_) quarantined_in_pool += in_pool ? 1u : 0u;
  }
  const auto less = [](uint64_t a, uint64_t b) { return a > b ? a - b : 0; };
  Census census;
  {
    const std::scoped_lock lock(queue_lock_);
    for (const auto& list : dirty_) census.dirty += list.size();
  }
  const LeaseTotals totals = Totals();
  census.leased = totals.active();
  census.resting = less(totals.rests_begun, totals.rests_ended);
  census.quarantined = less(totals.quarantined, totals.reinstated) + quarantined_in_pool;
  census.free = less(pool_->free(), quarantined_in_pool);
  return census;
}

LeasePool::Census LeasePool::Recount() const {
  Census census;
  for (Handle handle = 0; handle < pool_->capacity(); ++handle) {
    const HandleView view = table_->See(handle);
    if (view.leased) {
      ++census.leased;
      continue;
    }
    switch (view.place) {
      case Place::kFree:
        ++census.free;
        break;
      case Place::kDirty:
        ++census.dirty;
        break;
      case Place::kResting:
        ++census.resting;
        break;
      case Place::kQuarantined:
        ++census.quarantined;
        break;
    }
  }
  return census;
}

}  // namespace objpool::lease
