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

// After a push: whoever is counted later finds what was pushed.
bool LeasePool::SomebodyWaits() {
  if (pool_->has_heavy_fences()) {
    Sync::LightFence();
    return waiting_.load(std::memory_order_relaxed) != 0;
  }
  // All changes of one word have an order: either this one sees the waiter, or the waiter sees what
  // was pushed before.
  return waiting_.fetch_add(0, std::memory_order_acq_rel) != 0;
}

bool LeasePool::Wait(SlotId worker, Waiter& waiter, BootMs now) {
  {
    const std::scoped_lock lock(queue_lock_);
    if (queue_.size() >= max_waiters_) return false;
    waiter.since = now;
    queue_.Add(waiter);
    waiting_.fetch_add(1, std::memory_order_acq_rel);
  }
  if (pool_->has_heavy_fences()) Sync::HeavyFence();
  Serve(worker, now);
  return true;
}

bool LeasePool::StopWaiting(SlotId worker, Waiter& waiter, BootMs now) {
  {
    const std::scoped_lock lock(queue_lock_);
    if (!queue_.Remove(waiter)) return false;
    waiting_.fetch_sub(1, std::memory_order_acq_rel);
  }
  cells_[worker].waits_given_up.Add();
  // It may have been in the way of others who want less.
  Serve(worker, now);
  return true;
}

// Serves the first in the queue as long as there is enough for it. It is not passed over when there
// is not: those who want many would wait for ever.
void LeasePool::Serve(SlotId worker, BootMs now) {
  const std::scoped_lock lock(queue_lock_);
  if (GraceLeftMs(now) != 0) return;
  while (Waiter* const waiter = queue_.front()) {
    waiter->grants.resize(waiter->count);
    const uint32_t count =
        Take(worker,
             {.min_count = waiter->min_count, .ttl_ms = waiter->ttl_ms, .holder = waiter->holder},
             now, waiter->grants);
    waiter->grants.resize(count);
    if (count == 0) return;
    (void)queue_.Remove(*waiter);
    waiting_.fetch_sub(1, std::memory_order_acq_rel);
    waiter->served_at = now;
    cells_[worker].waits_served.Add();
    cells_[worker].waited_ms.Add(now > waiter->since ? now - waiter->since : 0);
    on_served_(*waiter);
  }
}

LeasePool::Waiting LeasePool::LookAtWaiting() const {
  const std::scoped_lock lock(queue_lock_);
  return {queue_.size(), queue_.oldest()};
}

}  // namespace objpool::lease
