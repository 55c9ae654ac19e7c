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
bool LeasePool::IsRaised(Sync::Atomic<uint32_t>& count) {
  if (pool_->has_heavy_fences()) {
    Sync::LightFence();
    return count.load(std::memory_order_relaxed) != 0;
  }
  // All changes of one word have an order: either this one sees it raised, or who raises it sees
  // what was done before.
  return count.fetch_add(0, std::memory_order_acq_rel) != 0;
}

bool LeasePool::Wait(SlotId worker, Waiter& waiter, BootMs now) {
  {
    const std::scoped_lock lock(queue_lock_);
    if (queue_.size() + dirty_queue_.size() >= max_waiters_) return false;
    waiter.since = now;
    if (waiter.dirty) {
      dirty_queue_.Add(waiter);
    } else {
      queue_.Add(waiter);
      waiting_.fetch_add(1, std::memory_order_acq_rel);
    }
  }
  if (pool_->has_heavy_fences()) Sync::HeavyFence();
  Serve(worker, now);
  return true;
}

bool LeasePool::StopWaiting(SlotId worker, Waiter& waiter, BootMs now) {
  {
    const std::scoped_lock lock(queue_lock_);
    if (!(waiter.dirty ? dirty_queue_ : queue_).Remove(waiter)) return false;
    if (!waiter.dirty) waiting_.fetch_sub(1, std::memory_order_acq_rel);
  }
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

// Serves the first in the queue as long as there is enough for it. It is not passed over when there
// is not: those who want many would wait for ever. Behind the lock.
void LeasePool::ServeFrom(WaitQueue& queue, SlotId worker, BootMs now) {
  while (Waiter* const waiter = queue.front()) {
    waiter->grants.resize(waiter->count);
    const Wish wish = {.min_count = waiter->min_count,
                       .ttl_ms = waiter->ttl_ms,
                       .holder = waiter->holder,
                       .dirty = waiter->dirty,
                       .request = waiter->request};
    const uint32_t count = waiter->dirty ? TakeDirty(worker, wish, now, waiter->grants)
                                         : Take(worker, wish, now, waiter->grants);
    waiter->grants.resize(count);
    if (count == 0) return;
    (void)queue.Remove(*waiter);
    if (!waiter->dirty) waiting_.fetch_sub(1, std::memory_order_acq_rel);
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
