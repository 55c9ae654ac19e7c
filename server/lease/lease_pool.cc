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

// The deadline of a grant made now. One more than asked for, because `now` was rounded down: a
// grant lasts at least its TTL, and less than a millisecond more.
BootMs DeadlineAfter(BootMs now, uint64_t ttl_ms) {
  OBJPOOL_CHECK(ttl_ms >= 1 && ttl_ms <= kMaxTtlMs, "the edge refuses other times");
  const BootMs deadline = now + ttl_ms + 1;
  OBJPOOL_CHECK(deadline <= LeaseWord::kMaxTime, "34 years of uptime are enough");
  return deadline;
}

std::size_t Index(Outcome outcome) { return static_cast<std::size_t>(outcome); }

}  // namespace

std::unique_ptr<LeasePool> LeasePool::Create(const Options& options, std::string& why) {
  auto pool = Pool::Create(options.pool, why);
  if (pool == nullptr) return nullptr;
  auto table = LeaseTable::Create({.capacity = options.pool.capacity,
                                   .first_fence = options.first_fence,
                                   .records = options.records},
                                  why);
  if (table == nullptr) return nullptr;
  return std::unique_ptr<LeasePool>(new LeasePool(options, std::move(pool), std::move(table)));
}

LeasePool::LeasePool(const Options& options, std::unique_ptr<Pool> pool,
                     std::unique_ptr<LeaseTable> table)
    : id_(options.id),
      secret_(options.secret),
      grace_until_(options.grace_until),
      max_waiters_(options.max_waiters),
      on_served_(options.on_served),
      pool_(std::move(pool)),
      table_(std::move(table)),
      cells_(pool_->slots().slots()),
      cursors_(pool_->slots().slots()) {}

bool LeasePool::Attach(SlotId worker) {
  const Share share = ShareOf(pool_->capacity(), pool_->slots().slots(), worker);
  if (!table_->Attach(share)) return false;
  cursors_[worker].next = SweepRange(worker).first;
  uint32_t kept = 0;
  uint32_t quarantined = 0;
  for (Handle handle = share.first; handle < share.last; ++handle) {
    if (table_->IsFree(handle)) continue;
    table_->IsQuarantined(handle) ? ++quarantined : ++kept;
  }
  cells_[worker].recovered.Add(kept);
  cells_[worker].quarantined.Add(quarantined);
  pool_->Attach(worker, [this](Handle handle) { return table_->IsFree(handle); });
  return true;
}

uint32_t LeasePool::Lease(SlotId worker, const Wish& wish, BootMs now, std::span<GrantRef> out) {
  OBJPOOL_CHECK(out.size() <= kMaxBatch, "the edge refuses larger batches");
  if (GraceLeftMs(now) != 0) return 0;
  // What is free belongs to those who wait for it.
  const bool behind_others = waiting_.load(std::memory_order_relaxed) != 0;
  return behind_others ? 0 : Take(worker, wish, now, out);
}

uint32_t LeasePool::Take(SlotId worker, const Wish& wish, BootMs now, std::span<GrantRef> out) {
  std::array<Handle, kMaxBatch> handles;
  const BootMs deadline = DeadlineAfter(now, wish.ttl_ms);
  const uint32_t count =
      pool_->PopBatch(worker, std::span(handles).first(out.size()), wish.min_count);
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t fence = table_->Grant(handles[i], now, deadline, wish.holder);
    out[i] = {handles[i], fence, MakeKey(secret_, id_, handles[i], fence)};
  }
  cells_[worker].granted.Add(count);
  return count;
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

void LeasePool::CountEnd(LeaseCell& cell, const Verdict& verdict, BootMs now) {
  // An older reading of the clock by this worker than by the one that granted is no time at all.
  cell.hold.Observe(now > verdict.granted_at ? now - verdict.granted_at : 0);
  if (verdict.outcome == Outcome::kExpired) cell.expired.Add();
}

void LeasePool::Return(SlotId worker, std::span<const GrantRef> refs, BootMs now,
                       std::span<Verdict> out) {
  OBJPOOL_CHECK(refs.size() == out.size() && refs.size() <= kMaxBatch, "one verdict for each");
  std::array<Handle, kMaxBatch> back;
  std::size_t count = 0;
  LeaseCell& cell = cells_[worker];
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const auto handle = static_cast<Handle>(refs[i].handle);
    if (Known(refs[i], out[i])) out[i] = table_->Return(handle, refs[i].fence, now);
    cell.returns[Index(out[i].outcome)].Add();
    if (!out[i].ended_here) continue;
    CountEnd(cell, out[i], now);
    back[count++] = handle;
  }
  TakeBack(worker, std::span(back).first(count), now);
}

void LeasePool::Renew(SlotId worker, std::span<const GrantRef> refs, uint64_t ttl_ms, BootMs now,
                      std::span<Verdict> out) {
  OBJPOOL_CHECK(refs.size() == out.size(), "one verdict for each");
  LeaseCell& cell = cells_[worker];
  const BootMs deadline = DeadlineAfter(now, ttl_ms);
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const auto handle = static_cast<Handle>(refs[i].handle);
    if (Known(refs[i], out[i])) out[i] = table_->Renew(handle, refs[i].fence, now, deadline);
    cell.renewals[Index(out[i].outcome)].Add();
    if (!out[i].ended_here) continue;
    CountEnd(cell, out[i], now);
    TakeBack(worker, std::span(&handle, 1), now);
  }
}

Verdict LeasePool::Examine(const GrantRef& ref, BootMs now) const {
  Verdict verdict;
  if (Known(ref, verdict)) verdict = Check(static_cast<Handle>(ref.handle), ref.fence, now);
  return verdict;
}

Verdict LeasePool::Revoke(SlotId worker, uint64_t handle, uint64_t fence, BootMs now) {
  LeaseCell& cell = cells_[worker];
  Verdict verdict = {.outcome = Outcome::kBadHandle};
  if (handle < pool_->capacity()) verdict = table_->Revoke(static_cast<Handle>(handle), fence, now);
  cell.revocations[Index(verdict.outcome)].Add();
  if (!verdict.ended_here) return verdict;
  CountEnd(cell, verdict, now);
  const auto back = static_cast<Handle>(handle);
  TakeBack(worker, std::span(&back, 1), now);
  return verdict;
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
  std::array<LeaseTable::Overdue, kMaxSwept> overdue;
  const auto [reached, ended] = table_->Sweep(step, now, overdue);
  LeaseCell& cell = cells_[worker];
  std::array<Handle, kMaxSwept> back;
  for (uint32_t i = 0; i < ended; ++i) {
    cell.expired.Add();
    cell.hold.Observe(now - overdue[i].granted_at);
    cell.expiry_lag.Observe(now - overdue[i].deadline);
    back[i] = overdue[i].handle;
  }
  TakeBack(worker, std::span(back).first(ended), now);
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
    sum.returned += cell.returns[Index(Outcome::kOk)].value();
    sum.expired += cell.expired.value();
    sum.revoked += cell.revocations[Index(Outcome::kOk)].value();
    sum.renewed += cell.renewals[Index(Outcome::kOk)].value();
  }
  for (const LeaseCell& cell : cells_) {
    sum.granted += cell.granted.value();
    sum.recovered += cell.recovered.value();
    sum.quarantined += cell.quarantined.value();
  }
  return sum;
}

}  // namespace objpool::lease
