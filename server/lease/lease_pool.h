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
// Places (LeaseWord). Whoever ends a grant brings the handle to its place: into the Pool when it is
// free; into the list of dirty handles, whose leasers and waiters are served apart; a resting one
// is the sweep's to push when its rest is over; a quarantined one is just left alone. A handle that
// is quarantined while it is in the Pool stays there, marked by its word, until a pop finds it; one
// that is leased is condemned: it is quarantined when its grant ends. The race of that is that of
// waiters, with the same fences.
//
// Threads: Attach, Lease, Return, Renew, Revoke, Reinstate and Sweep take the worker that calls,
// which must be the one thread that owns that slot. The others by any thread. Time is an argument.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pool/pool.h"
#include "pool/sync.h"
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
    // See LeaseTable::Options.
    uint64_t rest_ms = 0;
    std::function<bool(SlotId worker, Handle handle)> is_ready;
    bool dirty_unless_returned = false;
    // Which handles are alike. Default: all.
    std::vector<LabelledRange> labels = {};
    Quotas::Limits quota = {};
    std::function<void(Waiter&)> on_served;
  };

  // The most memory that a pool ever takes, in bytes: a handle's place, mark, record, quota
  // and its holder's name. Of records in a file, names and requests can be written back.
  [[nodiscard]] static uint64_t MostBytes(uint32_t capacity, uint32_t classes, uint32_t slots,
                                          bool in_file);

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
    bool dirty = false;        // handles that are dirty, to clean them; else those that are free
    RequestHash request = {};  // see LeaseTable::Terms
    ClassMask classes = kAllClasses;  // only handles of these
    uint32_t near_node = kAnyNode;    // those of this NUMA node, as long as there are any
    Tenant tenant = {};               // for whom out.size() handles are reserved (Quotas)
  };
  [[nodiscard]] uint32_t Lease(SlotId worker, const Wish& wish, BootMs now,
                               std::span<GrantRef> out);

  // The call that Lease gave nothing was answered so, and does not wait.
  void CountExhausted(SlotId worker) { cells_[worker].exhausted.Add(); }

  // The same of one that was over its quota.
  void CountOverQuota(SlotId worker) { cells_[worker].over_quota.Add(); }

  // Who may have how much. Lease and Wait use what was reserved for a tenant, but for what the
  // caller of Lease did not get; who stops waiting, or ends a grant, releases it.
  [[nodiscard]] Quotas& quotas() { return quotas_; }
  [[nodiscard]] const Quotas& quotas() const { return quotas_; }
  [[nodiscard]] const HandleClasses& classes() const { return pool_->classes(); }

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
  // Serves who can be served. For who ends what kept them from it: a drain, a grace.
  void ServeWaiting(SlotId worker, BootMs now) { Serve(worker, now); }

  // Ends or extends each grant; one verdict each. refs.size() == out.size() <= kMaxBatch.
  // `dispositions` says how handles come back, one for each; empty: all clean.
  void Return(SlotId worker, std::span<const GrantRef> refs, BootMs now, std::span<Verdict> out,
              std::span<const Disposition> dispositions = {});
  void Renew(SlotId worker, std::span<const GrantRef> refs, uint64_t ttl_ms, BootMs now,
             std::span<Verdict> out);

  // Ends the running grant of a handle, without its key, if it is the one of this fence.
  [[nodiscard]] Verdict Revoke(SlotId worker, uint64_t handle, uint64_t fence, BootMs now);

  // Takes a handle out of use: at once, or, where it is leased, when its grant ends (then
  // kCondemned). A handle that is quarantined already stays so.
  enum class Quarantined : uint8_t { kNow, kCondemned, kTooMany };
  [[nodiscard]] Quarantined Quarantine(SlotId worker, Handle handle);
  static constexpr std::size_t kMaxCondemned = 65'536;
  // Ends that: the handle is free, or no longer condemned. False when it was neither.
  [[nodiscard]] bool Reinstate(SlotId worker, Handle handle, BootMs now);
  // Whether the handle is to be quarantined when its grant ends.
  [[nodiscard]] bool IsCondemned(Handle handle) const;

  // Where the handles are. Of what moves meanwhile some may be missing or counted twice.
  struct Census {
    uint64_t free = 0;
    uint64_t leased = 0;  // for cleaning too
    uint64_t dirty = 0;
    uint64_t resting = 0;
    uint64_t quarantined = 0;
    [[nodiscard]] uint64_t sum() const { return free + leased + dirty + resting + quarantined; }
    bool operator==(const Census&) const = default;
  };
  // By what was counted as they moved: quickly.
  [[nodiscard]] Census Counted() const;
  // By looking at each handle's record.
  [[nodiscard]] Census Recount() const;

  // See LeaseTable.
  void SetRest(uint64_t rest_ms) { table_->SetRest(rest_ms); }

  // Nothing more is leased, and who waits is not served, until it is false again and ServeWaiting
  // was called.
  void SetDraining(bool draining) { draining_.store(draining, std::memory_order_relaxed); }
  [[nodiscard]] bool draining() const { return draining_.load(std::memory_order_relaxed); }

  // Ends overdue grants in the worker's share, some thousand records at a time, and takes their
  // handles back. Sweeps go round: true when this call reached the end of the share.
  [[nodiscard]] bool Sweep(SlotId worker, BootMs now);

  [[nodiscard]] HandleView See(Handle handle) const { return table_->See(handle); }
  [[nodiscard]] std::optional<GrantView> Look(Handle handle, BootMs now) const {
    return table_->Look(handle, now);
  }
  // See LeaseTable. The handle is one of the pool's.
  [[nodiscard]] Verdict Check(Handle handle, uint64_t fence, BootMs now) const {
    return table_->Check(handle, fence, now);
  }
  // The same for a holder, with what Renew would say of its key and handle.
  [[nodiscard]] Verdict Check(const GrantRef& ref, BootMs now) const;
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

  [[nodiscard]] const FreeHandles& pool() const { return *pool_; }
  [[nodiscard]] const LeaseCell& cell(SlotId worker) const { return cells_[worker]; }
  [[nodiscard]] LeaseTotals Totals() const;

 private:
  LeasePool(const Options& options, std::unique_ptr<FreeHandles> pool,
            std::unique_ptr<LeaseTable> table);
  [[nodiscard]] bool Known(const GrantRef& ref, Verdict& verdict) const;
  [[nodiscard]] Wish Without(ClassMask claimed, Wish wish) const;
  uint32_t Take(SlotId worker, const Wish& wish, BootMs now, std::span<GrantRef> out);
  uint32_t TakeDirty(SlotId worker, const Wish& wish, BootMs now, std::span<GrantRef> out);
  [[nodiscard]] std::deque<Handle>* LongestDirty(ClassMask of);
  [[nodiscard]] static BootMs DeadlineAfter(BootMs now, uint64_t ttl_ms);
  // Handles that became free, to be pushed together.
  struct Batch {
    std::array<Handle, kMaxBatch> handles;
    std::size_t count = 0;
  };
  void Settle(SlotId worker, Handle handle, LeaseWord left, BootMs now, Batch& back);
  void TakeBack(SlotId worker, std::span<const Handle> handles, BootMs now);
  void AddDirty(SlotId worker, Handle handle, LeaseWord left, BootMs now);
  [[nodiscard]] bool SomebodyWaits() { return IsRaised(waiting_); }
  [[nodiscard]] bool SomeAreCondemned() { return IsRaised(condemned_count_); }
  [[nodiscard]] bool IsRaised(Sync::Atomic<uint64_t>& value);
  void TellWaiting();
  [[nodiscard]] bool IsAt(Handle handle, Place place) const;
  bool Pardon(Handle handle);
  [[nodiscard]] bool TryQuarantine(SlotId worker, Handle handle);
  [[nodiscard]] bool QuarantineCondemned(SlotId worker, Handle handle, LeaseWord left);
  uint32_t DropQuarantined(SlotId worker, std::span<Handle> handles);
  uint32_t GrantAll(SlotId worker, std::span<const Handle> handles, const Wish& wish, BootMs now,
                    std::span<GrantRef> out);
  void Serve(SlotId worker, BootMs now);
  void ServeFrom(WaitQueue& queue, SlotId worker, BootMs now);
  void CountEnd(LeaseCell& cell, const Verdict& verdict, BootMs now);
  [[nodiscard]] Share SweepRange(SlotId worker) const;

  const uint32_t id_;
  const Secret secret_;
  const BootMs grace_until_;
  const uint32_t max_waiters_;
  const std::function<void(Waiter&)> on_served_;
  const std::unique_ptr<FreeHandles> pool_;
  const std::unique_ptr<LeaseTable> table_;
  Quotas quotas_;
  std::vector<LeaseCell> cells_;
  // Where each worker's sweep goes on; each is written by its worker alone.
  struct alignas(base::kCacheLineBytes) Cursor {
    uint32_t next = 0;
  };
  std::vector<Cursor> cursors_;
  // Read on each way; written only while somebody waits.
  alignas(base::kCacheLineBytes) Sync::Atomic<uint64_t> waiting_{0};  // classes wanted in queue_
  Sync::Atomic<uint64_t> condemned_count_{0};
  std::atomic<bool> draining_{false};
  alignas(base::kCacheLineBytes) mutable Sync::Mutex queue_lock_;
  WaitQueue queue_;
  WaitQueue dirty_queue_;                  // those who wait for dirty handles
  std::vector<std::deque<Handle>> dirty_;  // by class; the longest so first
  // Handles that are to be quarantined when their grants end; or, with true, that are, and still in
  // the Pool, or in the hands of one who will look here before anything else is done with them. Its
  // lock is taken last.
  mutable Sync::Mutex condemned_lock_;
  std::unordered_map<Handle, bool> condemned_;
  // The last look at how many grants had ended: boot time and count. Any worker may renew it;
  // losing one of two renewals costs nothing but precision.
  std::atomic<BootMs> sample_at_{0};
  std::atomic<uint64_t> sample_ended_{0};
  std::atomic<uint64_t> ended_per_s_{0};
};

}  // namespace objpool::lease
