// LeasePool: one named pool of the service: its free handles, its grants, and what it counts.
//
// It joins a Pool (who is free) and a LeaseTable (who is held): a Lease pops and grants, and
// whoever ends a grant pushes, in this order, so that a handle is never free and held at once.
//
// Waiters (WaitQueue). While there are any, who comes stands behind them, and whoever pushes serves
// them. Neither misses the other: a waiter is counted, then has a heavy fence, then looks once
// itself; who pushes has a light fence between the push and the look at the count (pool/sync.h). So
// a free handle and a waiter whom it would do for are never left together.
//
// Threads: Attach, Lease, Return, Renew, Revoke and Sweep take the worker that calls, which must be
// the one thread that owns that slot. The others by any thread. Time is an argument.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pool/pool.h"
#include "server/lease/grant_key.h"
#include "server/lease/lease_stats.h"
#include "server/lease/lease_table.h"
#include "server/lease/wait_queue.h"

namespace objpool::lease {

// The most handles that one call may lease, return or renew.
inline constexpr uint32_t kMaxBatch = 1024;

class LeasePool {
 public:
  struct Options {
    uint32_t id = 0;  // tells the keys of one pool from another's
    Pool::Options pool;
    Secret secret{};
    uint64_t first_fence = 1;      // see LeaseTable::Options
    std::byte* records = nullptr;  // see LeaseTable::Options
    // Nothing is leased before: grants that nobody knows of may still run.
    BootMs grace_until = 0;
    // At most so many wait at once.
    uint32_t max_waiters = 10'000;
    std::function<void(Waiter&)> on_served;
  };

  // Memory that a handle takes, names of holders aside: the pool's, its record, and its mark.
  static constexpr uint64_t kBytesPerHandle = 5 + 24;

  [[nodiscard]] static std::unique_ptr<LeasePool> Create(const Options& options, std::string& why);

  // Makes the worker's share of handles and records; see Pool::Attach. Handles that records say are
  // held, or out of the pool, stay so. False when memory runs out.
  [[nodiscard]] bool Attach(SlotId worker);

  // See Pool::Adopt.
  void Adopt(SlotId worker) { pool_->Adopt(worker); }

  // Leases up to out.size() handles and at least `min_count`, or none: returns how many. The limits
  // are the edge's to check: 1 <= min_count <= out.size() <= kMaxBatch, 1 <= ttl_ms <= kMaxTtlMs,
  // the holder at most kMaxHolderBytes.
  struct Wish {
    uint32_t min_count = 1;
    uint64_t ttl_ms = 0;
    std::string_view holder;
  };
  [[nodiscard]] uint32_t Lease(SlotId worker, const Wish& wish, BootMs now,
                               std::span<GrantRef> out);

  // The call that Lease gave nothing was answered so, and does not wait.
  void CountExhausted(SlotId worker) { cells_[worker].exhausted.Add(); }

  // Puts a waiter into the queue, and serves whoever can be served. False when the queue is full.
  // Whoever serves it calls on_served, on its own thread and with the queue locked; from then on it
  // is the owner's again, with grants whose time runs since served_at.
  [[nodiscard]] bool Wait(SlotId worker, Waiter& waiter, BootMs now);
  // Takes it out again. False when it was served already.
  [[nodiscard]] bool StopWaiting(SlotId worker, Waiter& waiter, BootMs now);
  struct Waiting {
    uint32_t waiters = 0;
    BootMs oldest_since = 0;  // 0 when nobody waits
  };
  [[nodiscard]] Waiting LookAtWaiting() const;

  // Ends or extends each grant; one verdict each. refs.size() == out.size() <= kMaxBatch.
  void Return(SlotId worker, std::span<const GrantRef> refs, BootMs now, std::span<Verdict> out);
  void Renew(SlotId worker, std::span<const GrantRef> refs, uint64_t ttl_ms, BootMs now,
             std::span<Verdict> out);

  // What a Renew of the grant would say now, changing nothing.
  [[nodiscard]] Verdict Examine(const GrantRef& ref, BootMs now) const;

  // Ends the running grant of a handle, without its key, if it is the one of this fence.
  [[nodiscard]] Verdict Revoke(SlotId worker, uint64_t handle, uint64_t fence, BootMs now);

  // Ends overdue grants in the worker's share, some thousand records at a time, and takes their
  // handles back. Sweeps go round: true when this call reached the end of the share.
  [[nodiscard]] bool Sweep(SlotId worker, BootMs now);

  [[nodiscard]] std::optional<GrantView> Look(Handle handle, BootMs now) const {
    return table_->Look(handle, now);
  }
  // See LeaseTable. The handle is one of the pool's.
  [[nodiscard]] Verdict Check(Handle handle, uint64_t fence, BootMs now) const {
    return table_->Check(handle, fence, now);
  }
  [[nodiscard]] Handle List(Share range, const GrantFilter& filter, BootMs now, std::size_t most,
                            std::vector<LeaseTable::Listed>& out) const {
    return table_->List(range, filter, now, most, out);
  }

  // How long until `wanted` handles have probably come back, from how fast they did lately. In
  // milliseconds, kMinRetryMs .. kMaxRetryMs.
  [[nodiscard]] uint64_t EstimateRetryMs(uint32_t wanted, BootMs now);
  static constexpr uint64_t kMinRetryMs = 5;
  static constexpr uint64_t kMaxRetryMs = 5000;

  // How long nothing is leased yet (Options::grace_until); Lease then returns 0.
  [[nodiscard]] uint64_t GraceLeftMs(BootMs now) const {
    return now < grace_until_ ? grace_until_ - now : 0;
  }

  [[nodiscard]] const Pool& pool() const { return *pool_; }
  [[nodiscard]] const LeaseCell& cell(SlotId worker) const { return cells_[worker]; }
  [[nodiscard]] LeaseTotals Totals() const;

 private:
  LeasePool(const Options& options, std::unique_ptr<Pool> pool, std::unique_ptr<LeaseTable> table);
  [[nodiscard]] bool Known(const GrantRef& ref, Verdict& verdict) const;
  uint32_t Take(SlotId worker, const Wish& wish, BootMs now, std::span<GrantRef> out);
  void TakeBack(SlotId worker, std::span<const Handle> handles, BootMs now);
  [[nodiscard]] bool SomebodyWaits();
  void Serve(SlotId worker, BootMs now);
  void CountEnd(LeaseCell& cell, const Verdict& verdict, BootMs now);
  [[nodiscard]] Share SweepRange(SlotId worker) const;

  const uint32_t id_;
  const Secret secret_;
  const BootMs grace_until_;
  const uint32_t max_waiters_;
  const std::function<void(Waiter&)> on_served_;
  const std::unique_ptr<Pool> pool_;
  const std::unique_ptr<LeaseTable> table_;
  std::vector<LeaseCell> cells_;
  // Where each worker's sweep goes on; each is written by its worker alone.
  struct alignas(base::kCacheLineBytes) Cursor {
    uint32_t next = 0;
  };
  std::vector<Cursor> cursors_;
  // Read on each way; written only while somebody waits.
  alignas(base::kCacheLineBytes) std::atomic<uint32_t> waiting_{0};
  alignas(base::kCacheLineBytes) mutable std::mutex queue_lock_;
  WaitQueue queue_;
  // The last look at how many grants had ended: boot time and count. Any worker may renew it;
  // losing one of two renewals costs nothing but precision.
  std::atomic<BootMs> sample_at_{0};
  std::atomic<uint64_t> sample_ended_{0};
  std::atomic<uint64_t> ended_per_s_{0};
};

}  // namespace objpool::lease
