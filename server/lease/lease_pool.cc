#include "server/lease/lease_pool.h"

#include <algorithm>
#include <array>
#include <utility>

#include "pool/base/check.h"

namespace objpool::lease {
namespace {

// One Sweep call ends at most this many grants, so that a mass expiry does not hold up the worker's
// calls for longer than some tens of microseconds.
constexpr std::size_t kMaxSwept = 256;
// And looks at no more records than this.
constexpr uint32_t kSweepStep = 64 * LeaseTable::kBlock;

// How long the rate of returns is taken over, at least.
constexpr BootMs kRateWindowMs = 1000;

std::size_t Index(Outcome outcome) { return static_cast<std::size_t>(outcome); }

}  // namespace

// The deadline of a grant made now. One more than asked for, because `now` was rounded down: a
// grant lasts at least its TTL, and less than a millisecond more.
BootMs LeasePool::DeadlineAfter(BootMs now, uint64_t ttl_ms) {
  OBJPOOL_CHECK(ttl_ms >= 1 && ttl_ms <= kMaxTtlMs, "the edge refuses other times");
  const BootMs deadline = now + ttl_ms + 1;
  OBJPOOL_CHECK(deadline <= LeaseWord::kMaxTime, "34 years of uptime are enough");
  return deadline;
}

std::unique_ptr<LeasePool> LeasePool::Create(const Options& options, std::string& why) {
  const auto classes = HandleClasses::Make(options.pool.capacity, options.labels, why);
  if (!classes) return nullptr;
  auto pool = FreeHandles::Create(options.pool, *classes, why);
  if (pool == nullptr) return nullptr;
  auto table = LeaseTable::Create({.capacity = options.pool.capacity,
                                   .first_fence = options.first_fence,
                                   .records = options.records,
                                   .rest_ms = options.rest_ms,
                                   .is_ready = options.is_ready,
                                   .dirty_unless_returned = options.dirty_unless_returned},
                                  why);
  if (table == nullptr) return nullptr;
  std::unique_ptr<LeasePool> made(new LeasePool(options, std::move(pool), std::move(table)));
  if (made->quotas_.empty()) {
    why = "no memory for the quotas of " + std::to_string(options.pool.capacity) + " handles";
    return nullptr;
  }
  return made;
}

LeasePool::LeasePool(const Options& options, std::unique_ptr<FreeHandles> pool,
                     std::unique_ptr<LeaseTable> table)
    : id_(options.id),
      secret_(options.secret),
      grace_until_(options.grace_until),
      max_waiters_(options.max_waiters),
      on_served_(options.on_served),
      pool_(std::move(pool)),
      table_(std::move(table)),
      quotas_(pool_->capacity()),
      cells_(pool_->slots().slots()),
      cursors_(pool_->slots().slots()),
      dirty_(pool_->classes().count()) {
  quotas_.SetLimits(options.quota);
}

bool LeasePool::Attach(SlotId worker) {
  const Share share = ShareOf(pool_->capacity(), pool_->slots().slots(), worker);
  if (!table_->Attach(share)) return false;
  cursors_[worker].next = SweepRange(worker).first;
  LeaseCell& cell = cells_[worker];
  for (Handle handle = share.first; handle < share.last; ++handle) {
    if (table_->IsFree(handle)) continue;
    const HandleView view = table_->See(handle);
    if (view.leased) {
      cell.recovered.Add();
    } else if (view.place == Place::kQuarantined) {
      cell.quarantined.Add();
    } else if (view.place == Place::kResting) {
      cell.rests_begun.Add();
    } else {
      const std::scoped_lock lock(queue_lock_);
      dirty_[classes().ClassOf(handle)].push_back(handle);
    }
  }
  pool_->Attach(worker, [this](Handle handle) { return table_->IsFree(handle); });
  return true;
}

uint32_t LeasePool::Lease(SlotId worker, const Wish& wish, BootMs now, std::span<GrantRef> out) {
  OBJPOOL_CHECK(out.size() <= kMaxBatch, "the edge refuses larger batches");
  if (GraceLeftMs(now) != 0 || draining()) return 0;
  // What is there belongs to those who wait for it.
  if (wish.dirty) {
    const std::scoped_lock lock(queue_lock_);
    return TakeDirty(worker, Without(dirty_queue_.wanted(), wish), now, out);
  }
  const ClassMask wanted = waiting_.load(std::memory_order_relaxed);
  if (wanted == 0) [[likely]] {
    return Take(worker, wish, now, out);
  }
  return Take(worker, Without(wanted, wish), now, out);
}

// The same wish, but for what others have claimed.
LeasePool::Wish LeasePool::Without(ClassMask claimed, Wish wish) const {
  wish.classes &= ~claimed & classes().all();
  return wish;
}

// Grants as many as nobody has moved elsewhere since they were taken; how many.
uint32_t LeasePool::GrantAll(SlotId worker, std::span<const Handle> handles, const Wish& wish,
                             BootMs now, std::span<GrantRef> out) {
  const BootMs deadline = DeadlineAfter(now, wish.ttl_ms);
  uint32_t count = 0;
  for (const Handle handle : handles) {
    if (wish.tenant) quotas_.Give(wish.tenant, handle);
    const uint64_t fence =
        table_->Grant(handle, now, deadline,
                      {.holder = wish.holder, .for_cleaning = wish.dirty, .request = wish.request});
    if (fence == 0) [[unlikely]] {
      (void)quotas_.Take(handle);
      Handle quarantined = handle;
      if (DropQuarantined(worker, {&quarantined, 1}) != 0) pool_->Push(worker, handle);
      continue;
    }
    out[count++] = {handle, fence, MakeKey(secret_, id_, handle, fence)};
  }
  return count;
}

uint32_t LeasePool::Take(SlotId worker, const Wish& wish, BootMs now, std::span<GrantRef> out) {
  std::array<Handle, kMaxBatch> room;
  if (wish.classes == 0) return 0;
  const auto handles = std::span(room).first(out.size());
  // Again only when a quarantined handle was among them, and each is met once.
  for (;;) {
    uint32_t popped =
        pool_->PopBatch(worker, handles, wish.min_count, wish.classes, wish.near_node);
    if (popped == 0) return 0;
    if (SomeAreCondemned()) [[unlikely]] {
      popped = DropQuarantined(worker, handles.first(popped));
      if (popped < wish.min_count) {
        pool_->PushBatch(worker, handles.first(popped));
        continue;
      }
    }
    const uint32_t count = GrantAll(worker, handles.first(popped), wish, now, out);
    if (count >= wish.min_count) [[likely]] {
      cells_[worker].granted.Add(count);
      return count;
    }
    // Quarantined in this very moment. What was granted nobody has seen.
    Batch back;
    for (const GrantRef& ref : out.first(count)) {
      const auto handle = static_cast<Handle>(ref.handle);
      // It stays reserved.
      if (!quotas_.Take(handle)) quotas_.AddOne(wish.tenant);
      const Verdict undone = table_->Return(handle, ref.fence, now);
      if (undone.ended_here) {
        Settle(worker, handle, undone.left, now, back);
      } else {
        // It ran out in this moment too, and whoever ended it has counted it as one.
        cells_[worker].granted.Add();
      }
    }
    pool_->PushBatch(worker, std::span(back.handles).first(back.count));
  }
}

// Whether the ref names a handle and its key fits.
bool LeasePool::Known(const GrantRef& ref, Verdict& verdict) const {
  if (ref.handle >= pool_->capacity()) {
    verdict = {.outcome = Outcome::kBadHandle};
  } else if (!KeyFits(secret_, id_, ref)) {
    verdict = {.outcome = Outcome::kNotHolder};
  } else {
    return true;
  }
  return false;
}

Verdict LeasePool::Check(const GrantRef& ref, BootMs now) const {
  Verdict verdict;
  if (Known(ref, verdict)) verdict = Check(static_cast<Handle>(ref.handle), ref.fence, now);
  return verdict;
}

void LeasePool::CountEnd(LeaseCell& cell, const Verdict& verdict, BootMs now) {
  // An older reading of the clock by this worker than by the one that granted is no time at all.
  cell.hold.Observe(now > verdict.granted_at ? now - verdict.granted_at : 0);
  if (verdict.outcome == Outcome::kExpired) cell.expired.Add();
}

void LeasePool::Return(SlotId worker, std::span<const GrantRef> refs, BootMs now,
                       std::span<Verdict> out, std::span<const Disposition> dispositions) {
  OBJPOOL_CHECK(refs.size() == out.size() && refs.size() <= kMaxBatch, "one verdict for each");
  Batch back;
  LeaseCell& cell = cells_[worker];
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const auto handle = static_cast<Handle>(refs[i].handle);
    const Disposition as = dispositions.empty() ? Disposition::kClean : dispositions[i];
    if (Known(refs[i], out[i])) out[i] = table_->Return(handle, refs[i].fence, now, as);
    cell.returns[Index(out[i].outcome)].Add();
    if (!out[i].ended_here) continue;
    CountEnd(cell, out[i], now);
    Settle(worker, handle, out[i].left, now, back);
  }
  TakeBack(worker, std::span(back.handles).first(back.count), now);
}

void LeasePool::Renew(SlotId worker, std::span<const GrantRef> refs, uint64_t ttl_ms, BootMs now,
                      std::span<Verdict> out) {
  OBJPOOL_CHECK(refs.size() == out.size() && refs.size() <= kMaxBatch, "one verdict for each");
  Batch back;
  LeaseCell& cell = cells_[worker];
  const BootMs deadline = DeadlineAfter(now, ttl_ms);
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const auto handle = static_cast<Handle>(refs[i].handle);
    if (Known(refs[i], out[i])) out[i] = table_->Renew(handle, refs[i].fence, now, deadline);
    cell.renewals[Index(out[i].outcome)].Add();
    if (!out[i].ended_here) continue;
    CountEnd(cell, out[i], now);
    Settle(worker, handle, out[i].left, now, back);
  }
  TakeBack(worker, std::span(back.handles).first(back.count), now);
}

Verdict LeasePool::Revoke(SlotId worker, uint64_t handle, uint64_t fence, BootMs now) {
  LeaseCell& cell = cells_[worker];
  Verdict verdict = {.outcome = Outcome::kBadHandle};
  if (handle < pool_->capacity()) verdict = table_->Revoke(static_cast<Handle>(handle), fence, now);
  cell.revocations[Index(verdict.outcome)].Add();
  if (!verdict.ended_here) return verdict;
  CountEnd(cell, verdict, now);
  Batch back;
  Settle(worker, static_cast<Handle>(handle), verdict.left, now, back);
  TakeBack(worker, std::span(back.handles).first(back.count), now);
  return verdict;
}

uint64_t LeasePool::MostBytes(uint32_t capacity, uint32_t classes, uint32_t slots, bool in_file) {
  constexpr uint64_t kPerHandle = 5 + 24 + 2;
  constexpr uint64_t kPerSlot = 4096;  // of each class
  return (capacity * (kPerHandle + (in_file ? 0 : kMaxHolderBytes))) +
         (uint64_t{classes} * slots * kPerSlot);
}

// The share of handles, moved to block boundaries.
Share LeasePool::SweepRange(SlotId worker) const {
  const auto [first, last] = ShareOf(pool_->capacity(), pool_->slots().slots(), worker);
  const auto up = [&](uint32_t handle) {
    const uint32_t blocks = (handle + LeaseTable::kBlock - 1) / LeaseTable::kBlock;
    return std::min(blocks * LeaseTable::kBlock, pool_->capacity());
  };
  return {up(first), up(last)};
}

bool LeasePool::Sweep(SlotId worker, BootMs now) {
  const Share range = SweepRange(worker);
  if (range.first == range.last) return true;
  uint32_t& next = cursors_[worker].next;
  const Share step = {next, std::min(range.last, next + kSweepStep)};
  std::array<LeaseTable::Swept, kMaxSwept> swept;
  const auto [reached, count] = table_->Sweep(worker, step, now, swept);
  LeaseCell& cell = cells_[worker];
  Batch back;
  for (const LeaseTable::Swept& each : std::span(swept).first(count)) {
    if (each.rested) {
      cell.rests_ended.Add();
    } else {
      cell.expired.Add();
      cell.hold.Observe(now - each.granted_at);
      cell.expiry_lag.Observe(now - each.deadline);
    }
    Settle(worker, each.handle, each.left, now, back);
  }
  TakeBack(worker, std::span(back.handles).first(back.count), now);
  next = reached == range.last ? range.first : reached;
  return reached == range.last;
}

uint64_t LeasePool::EstimateRetryMs(uint32_t wanted, BootMs now) {
  const BootMs since = sample_at_.load(std::memory_order_relaxed);
  if (now >= since + kRateWindowMs) {
    const LeaseTotals totals = Totals();
    const uint64_t ended = totals.ended();
    const uint64_t before = sample_ended_.load(std::memory_order_relaxed);
    // Two workers may renew the sample at once; `before` can then be the newer of two counts.
    const uint64_t came_back = ended > before ? ended - before : 0;
    ended_per_s_.store(came_back * 1000 / (now - since), std::memory_order_relaxed);
    sample_ended_.store(ended, std::memory_order_relaxed);
    sample_at_.store(now, std::memory_order_relaxed);
  }
  const uint64_t rate = ended_per_s_.load(std::memory_order_relaxed);
  if (rate == 0) return kMaxRetryMs;
  return std::clamp(uint64_t{wanted} * 1000 / rate, kMinRetryMs, kMaxRetryMs);
}

LeaseTotals LeasePool::Totals() const {
  LeaseTotals sum;
  for (const LeaseCell& cell : cells_) {
    sum.rests_ended += cell.rests_ended.value();
    sum.returned += cell.returns[Index(Outcome::kOk)].value();
    sum.expired += cell.expired.value();
    sum.revoked += cell.revocations[Index(Outcome::kOk)].value();
    sum.renewed += cell.renewals[Index(Outcome::kOk)].value();
  }
  for (const LeaseCell& cell : cells_) {
    sum.granted += cell.granted.value();
    sum.recovered += cell.recovered.value();
    sum.quarantined += cell.quarantined.value();
    sum.reinstated += cell.reinstated.value();
    sum.rests_begun += cell.rests_begun.value();
  }
  return sum;
}

}  // namespace objpool::lease
