// LeasePool: waiting for handles, and serving those who wait.
#include <array>
#include <utility>

#include "pool/sync.h"
#include "server/lease/lease_pool.h"

namespace objpool::lease {

// Pushes handles whose grants have ended.
void LeasePool::TakeBack(SlotId worker, std::span<const Handle> handles, BootMs now) {
  if (handles.empty()) return;
  pool_->PushBatch(worker, handles);
  if (SomebodyWaits()) Serve(worker, now);
}

// After a step that others may want to know of: whoever raises the count later finds it done.
bool LeasePool::IsRaised(Sync::Atomic<uint64_t>& value) {
  if (pool_->has_heavy_fences()) {
    Sync::LightFence();
    return value.load(std::memory_order_relaxed) != 0;
  }
  // All changes of one word have an order: either this one sees it raised, or who raises it sees
  // what was done before.
  return value.fetch_add(0, std::memory_order_acq_rel) != 0;
}

// Behind the queue's lock, after each change of it.
void LeasePool::TellWaiting() {
  (void)waiting_.exchange(queue_.wanted(), std::memory_order_acq_rel);
}

bool LeasePool::Wait(SlotId worker, Waiter& waiter, BootMs now) {
  {
    const std::scoped_lock lock(queue_lock_);
    if (queue_.size() + dirty_queue_.size() >= max_waiters_) return false;
    waiter.since = now;
    waiter.classes &= classes().all();
    if (!(waiter.dirty ? dirty_queue_ : queue_).Add(waiter)) return false;
    TellWaiting();
  }
  if (pool_->has_heavy_fences()) Sync::HeavyFence();
  Serve(worker, now);
  return true;
}

bool LeasePool::StopWaiting(SlotId worker, Waiter& waiter, BootMs now) {
  {
    const std::scoped_lock lock(queue_lock_);
    if (!(waiter.dirty ? dirty_queue_ : queue_).Remove(waiter)) return false;
    TellWaiting();
  }
  quotas_.Release(waiter.tenant, waiter.count);
  cells_[worker].waits_given_up.Add();
  // It may have been in the way of others who want less.
  Serve(worker, now);
  return true;
}

void LeasePool::Serve(SlotId worker, BootMs now) {
  const std::scoped_lock lock(queue_lock_);
  if (GraceLeftMs(now) != 0 || draining()) return;
  ServeFrom(queue_, worker, now);
  ServeFrom(dirty_queue_, worker, now);
}

// Serves whoever is next as long as there is enough. Where there is not, what it waits for stays
// its own: it is passed over only by those who want other classes, or those who want many would
// wait for ever. Behind the lock.
void LeasePool::ServeFrom(WaitQueue& queue, SlotId worker, BootMs now) {
  ClassMask claimed = 0;
  while (Waiter* const waiter = queue.Next(claimed)) {
    waiter->grants.resize(waiter->count);
    const Wish wish = {.min_count = waiter->min_count,
                       .ttl_ms = waiter->ttl_ms,
                       .holder = waiter->holder,
                       .dirty = waiter->dirty,
                       .request = waiter->request,
                       .classes = waiter->classes & ~claimed,
                       .near_node = waiter->near_node,
                       .tenant = waiter->tenant};
    const uint32_t count = waiter->dirty ? TakeDirty(worker, wish, now, waiter->grants)
                                         : Take(worker, wish, now, waiter->grants);
    waiter->grants.resize(count);
    if (count == 0) {
      claimed |= waiter->classes;
      continue;
    }
    (void)queue.Remove(*waiter);
    TellWaiting();
    quotas_.Release(waiter->tenant, waiter->count - count);
    waiter->served_at = now;
    cells_[worker].waits_served.Add();
    cells_[worker].waited_ms.Add(now > waiter->since ? now - waiter->since : 0);
    on_served_(*waiter);
  }
}

LeasePool::Waiting LeasePool::LookAtWaiting() const {
  const std::scoped_lock lock(queue_lock_);
  const BootMs a = queue_.oldest();
  const BootMs b = dirty_queue_.oldest();
  return {queue_.size() + dirty_queue_.size(), a == 0 || (b != 0 && b < a) ? b : a};
}

}  // namespace objpool::lease
