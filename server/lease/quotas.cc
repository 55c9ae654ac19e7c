#include "server/lease/quotas.h"

#include <algorithm>
#include <mutex>

#include "pool/base/check.h"

namespace objpool::lease {
namespace {

constexpr uint64_t kUsPerS = 1'000'000;
// Of the burst of a second, what leases may take.
constexpr uint64_t kLeaseBurstUs = kUsPerS / 4 * 3;
constexpr uint64_t kHandlesMask = 0xffff'ffff;

}  // namespace

Quotas::Quotas(uint32_t capacity)
    : memory_((kCells * sizeof(Cell)) + (capacity * sizeof(uint16_t))),
      cells_(reinterpret_cast<Cell*>(memory_.base())),
      cell_of_(reinterpret_cast<Sync::Atomic<uint16_t>*>(cells_ + kCells)) {}

void Quotas::SetLimits(const Limits& limits) {
  if (limits != Limits{}) used_.store(true, std::memory_order_relaxed);
  limits_.store(uint64_t{limits.calls_per_s} << 32 | limits.handles, std::memory_order_release);
}

Quotas::Limits Quotas::limits() const {
  const uint64_t both = limits_.load(std::memory_order_acquire);
  return {.handles = static_cast<uint32_t>(both), .calls_per_s = static_cast<uint32_t>(both >> 32)};
}

uint32_t Quotas::FindOwn(uint64_t identity) const {
  const uint32_t first = FirstOf(identity);
  for (uint32_t cell = first; cell < first + kWays; ++cell) {
    const uint64_t word = cells_[cell].word.load(std::memory_order_acquire);
    if ((word & ~kHandlesMask) == TagOf(identity)) return cell;
  }
  return 0;
}

// The identity's cell, or one that is made its own, behind a lock, so that nobody gets two: of
// those without handles that have not asked too often to be forgotten.
uint32_t Quotas::Find(uint64_t identity, BootMs now) {
  if (const uint32_t own = FindOwn(identity); own != 0) return own;
  const std::scoped_lock lock(claim_lock_);
  if (const uint32_t own = FindOwn(identity); own != 0) return own;
  const uint32_t first = FirstOf(identity);
  for (uint32_t cell = first; cell < first + kWays; ++cell) {
    uint64_t word = cells_[cell].word.load(std::memory_order_acquire);
    const bool idle = cells_[cell].busy.load(std::memory_order_relaxed) <= now * 1000;
    if ((word & kHandlesMask) != 0 || !idle) continue;
    if (cells_[cell].word.compare_exchange_strong(word, TagOf(identity), std::memory_order_acq_rel,
                                                  std::memory_order_relaxed)) {
      return cell;
    }
  }
  return kShared;
}

// False when the cell is somebody else's by now.
bool Quotas::TryReserve(uint32_t cell, uint64_t identity, uint32_t min_count, uint32_t most,
                        Admission& admission) {
  uint64_t word = cells_[cell].word.load(std::memory_order_acquire);
  for (;;) {
    if (cell != kShared && (word & ~kHandlesMask) != TagOf(identity)) return false;
    const auto has = static_cast<uint32_t>(word & kHandlesMask);
    const uint32_t room = most > has ? most - has : 0;
    if (room < min_count) {
      admission.count = 0;
      admission.has = has;
      return true;
    }
    const uint32_t count = std::min(admission.count, room);
    if (cells_[cell].word.compare_exchange_weak(word, word + count, std::memory_order_acq_rel,
                                                std::memory_order_acquire)) {
      admission.count = count;
      admission.tenant = {cell};
      return true;
    }
  }
}

// Counts a call, where that keeps the cell from being busy for longer than `most_us`, or, unless it
// is to be refused, in any case. How long it would be too busy: 0 when it was counted.
uint64_t Quotas::Spend(Cell& cell, uint64_t rate, uint64_t most_us, bool refuse, BootMs now) {
  if (rate == 0) return 0;
  const uint64_t now_us = now * 1000;
  uint64_t busy = cell.busy.load(std::memory_order_relaxed);
  for (;;) {
    uint64_t next = std::max(busy, now_us) + (kUsPerS / rate);
    if (next > now_us + most_us) {
      if (refuse) return next - now_us - most_us;
      next = now_us + most_us;
    }
    if (cell.busy.compare_exchange_weak(busy, next, std::memory_order_relaxed,
                                        std::memory_order_relaxed)) {
      return 0;
    }
  }
}

Quotas::Admission Quotas::Admit(uint64_t identity, uint32_t min_count, uint32_t count, BootMs now,
                                const Own& own) {
  Admission admission{.count = count, .tenant = {}, .has = 0, .retry_ms = 0};
  const Limits limits = own ? *own : this->limits();
  // Before any handle has a tenant by it.
  if (own && !used_.load(std::memory_order_relaxed)) used_.store(true, std::memory_order_relaxed);
  // Again only when the cell has gone to somebody else in between.
  for (;;) {
    const uint32_t cell = Find(identity, now);
    const uint64_t wait_us = Spend(cells_[cell], limits.calls_per_s, kLeaseBurstUs, true, now);
    if (wait_us != 0) {
      admission.count = 0;
      admission.retry_ms = (wait_us + 999) / 1000;
      return admission;
    }
    if (limits.handles == 0 || TryReserve(cell, identity, min_count, limits.handles, admission)) {
      return admission;
    }
  }
}

void Quotas::CountCall(uint64_t identity, BootMs now, const Own& own) {
  const uint32_t rate = own ? own->calls_per_s : limits().calls_per_s;
  if (rate == 0) return;
  (void)Spend(cells_[Find(identity, now)], rate, kUsPerS, false, now);
}

void Quotas::Release(Tenant tenant, uint32_t count) {
  if (!tenant || count == 0) return;
  const uint64_t before =
      cells_[tenant.cell].word.fetch_sub(count, std::memory_order_acq_rel) & kHandlesMask;
  OBJPOOL_CHECK(before >= count, "what is released was reserved");
}

void Quotas::AddOne(Tenant tenant) {
  if (tenant) cells_[tenant.cell].word.fetch_add(1, std::memory_order_acq_rel);
}

}  // namespace objpool::lease
