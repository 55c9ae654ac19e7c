// Quotas: how much of a pool one identity may have, and how often it may ask.
//
// An identity is a number (a hash, under a secret, of who the client is). It holds handles, and has
// those that it waits for; both count, so that nobody can fill the queue either. Renewing and
// returning is never refused: it takes from the same rate as leasing does, but the last quarter of
// that is theirs alone, so that leases stop before renewals would have to.
//
// Cells. Identities that have something, or asked lately, have a cell in a table of fixed size: one
// of the kWays of its bucket. Where all of those are in use, it shares the one cell of all who find
// none, and so their limit; what it has there does not count when it finds a cell later. So twice
// its quota is the most that anybody can come to, and only among thousands who all hold handles.
//   I1  A cell with handles keeps its identity: it changes by a swap of a word with both.
//   I2  The cell of a leased handle is written before it is leased, and taken out once, by whoever
//       took the handle back (LeaseTable I1, I2).
//
// The rate is the generic cell rate algorithm (ITU-T I.371), with a burst of a second.
//
// Threads: any. Progress: lock-free, but for an identity that comes anew.
#pragma once

#include <cstdint>
#include <optional>

#include "pool/mapped_memory.h"
#include "pool/pool.h"
#include "pool/sync.h"
#include "server/lease/lease_word.h"

namespace objpool::lease {

// Who holds: the number of a cell; 0 is nobody.
struct Tenant {
  uint32_t cell = 0;
  [[nodiscard]] explicit operator bool() const { return cell != 0; }
};

class Quotas {
 public:
  // For each identity; 0 is no limit.
  struct Limits {
    uint32_t handles = 0;
    uint32_t calls_per_s = 0;  // 0 .. kMaxCallsPerS
    bool operator==(const Limits&) const = default;
  };
  static constexpr uint32_t kMaxCallsPerS = 1'000'000;

  // empty() where memory runs out.
  explicit Quotas(uint32_t capacity);
  [[nodiscard]] bool empty() const { return memory_.empty(); }

  // From the next call on. What was leased while there was no limit does not count.
  void SetLimits(const Limits& limits);
  [[nodiscard]] Limits limits() const;
  [[nodiscard]] bool limited() const { return limits() != Limits{}; }

  // Limits of one identity that stand in the place of those: the same each time it calls.
  using Own = std::optional<Limits>;
  // Whether an identity may lease `count` handles, or at least `min_count` of them.
  struct Admission {
    uint32_t count = 0;     // 0: refused; else as many are reserved for the tenant
    Tenant tenant;          // nobody where handles are not limited
    uint32_t has = 0;       // refused for too many handles: what it has
    uint64_t retry_ms = 0;  // refused for asking too often: ask again then
  };
  [[nodiscard]] Admission Admit(uint64_t identity, uint32_t min_count, uint32_t count, BootMs now,
                                const Own& own = {});
  // Of a renewal or return, which are not refused.
  void CountCall(uint64_t identity, BootMs now, const Own& own = {});
  // What was reserved, and is not used.
  void Release(Tenant tenant, uint32_t count);

  // The handle is about to be leased, out of what was reserved for the tenant.
  void Give(Tenant tenant, Handle handle) {
    cell_of_[handle].store(static_cast<uint16_t>(tenant.cell), std::memory_order_relaxed);
  }
  // It is not leased any more: whose it was. The reservation goes on.
  [[nodiscard]] Tenant Take(Handle handle) {
    if (!used_.load(std::memory_order_relaxed)) return {};
    return {cell_of_[handle].exchange(0, std::memory_order_relaxed)};
  }
  // Likewise, and the reservation is over.
  void TakeBack(Handle handle) {
    if (const Tenant tenant = Take(handle)) [[unlikely]] {
      Release(tenant, 1);
    }
  }
  // One more than was reserved, which is leased already.
  void AddOne(Tenant tenant);

 private:
  static constexpr uint32_t kWays = 8;
  static constexpr uint32_t kBuckets = 512;
  static constexpr uint32_t kShared = 1;  // the cell of those who find none
  static constexpr uint32_t kFirst = 2;
  static constexpr uint32_t kCells = kFirst + (kWays * kBuckets);
  static_assert(kCells <= UINT16_MAX);

  struct Cell {
    Sync::Atomic<uint64_t> word{0};  // of the identity: 32 bits; handles: 32
    Sync::Atomic<uint64_t> busy{0};  // microseconds: until then it has asked as often as it may
  };
  [[nodiscard]] static uint64_t TagOf(uint64_t identity) {
    return identity & 0xffff'ffff'0000'0000;
  }
  [[nodiscard]] static uint32_t FirstOf(uint64_t identity) {
    return kFirst + (static_cast<uint32_t>(identity % kBuckets) * kWays);
  }
  [[nodiscard]] uint32_t FindOwn(uint64_t identity) const;
  [[nodiscard]] uint32_t Find(uint64_t identity, BootMs now);
  [[nodiscard]] bool TryReserve(uint32_t cell, uint64_t identity, uint32_t min_count, uint32_t most,
                                Admission& admission);
  [[nodiscard]] static uint64_t Spend(Cell& cell, uint64_t rate, uint64_t most_us, bool refuse,
                                      BootMs now);

  // Both, 32 bits each. Who sees some sees `used_` too: it was set before.
  std::atomic<uint64_t> limits_{0};
  std::atomic<bool> used_{false};
  Sync::Mutex claim_lock_;
  // Touched only where there are quotas. Pages come zeroed: cells of nobody, handles of nobody.
  MappedMemory memory_;
  Cell* const cells_;
  Sync::Atomic<uint16_t>* const cell_of_;  // by handle
};

}  // namespace objpool::lease
