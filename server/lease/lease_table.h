// LeaseTable: who holds which handle until when, as one record for each handle, indexed by it.
//
//   I1  A handle is leased from the Grant of the worker that popped it until exactly one Return,
//       Renew, Revoke or Sweep ends it, by a compare-and-swap of its word. Whoever ends it gets the
//       handle, and must push it; nobody else may.
//   I2  Fence and details of a handle are written only by the worker that popped it, before the
//       word says leased.
//   I3  Fences of a handle rise: by one with each grant, and to `first_fence` at least.
//   I4  A grant ends at its deadline or later by this clock, unless it is returned. Once the
//       deadline has passed, whoever looks next ends it: being late is never a way to keep it.
//   I5  A block with a leased handle is marked, or is being scanned by its sweeper.
//   I6  The records in memory that outlives the process are sound after each single store: a grant
//       is the store of its word, and what is not yet or no more part of one is not looked at.
//       Recover says what a process that was killed anywhere has left.
//
//   R1  Grant stores the word                 pairs with  A1  every load of a word
//   R2  the swap that ends a grant            pairs with  A1  (so that Grant of the next holder,
//       which got the handle through the pool, is ordered behind it)
//   R3  Grant stores the details              pairs with  A3  Look loads them: having seen a later
//       grant's details, it sees the word changed too, and does not believe them
//   R4  Grant marks the block, a read-modify-write, after the word    pairs with  A4  the sweeper's
//       clearing swap: either the sweeper sees the word, or the mark outlives the clearing
//
// Progress: Grant and Look's single try are wait-free; Return, Renew, Revoke and Check are
// lock-free (a failed swap means that somebody else's succeeded). Threads: any, with the rules
// above; Sweep and Attach of one range by one thread. Time is an argument: milliseconds of a clock
// that never goes back and counts on through suspend.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pool/mapped_memory.h"
#include "pool/pool.h"
#include "server/lease/lease_word.h"

namespace objpool::lease {

// The longest name of a holder, in bytes.
inline constexpr std::size_t kMaxHolderBytes = 64;
// The longest time of a grant: 7 days.
inline constexpr uint64_t kMaxTtlMs = uint64_t{7} * 24 * 3600 * 1000;

// What became of a Return or Renew.
enum class Outcome : uint8_t {
  kOk,               // done
  kAlreadyReturned,  // Return only: an earlier one did it
  kReturned,         // the grant was returned; not from Return
  kExpired,          // the grant ran out
  kRevoked,          // the grant was revoked; Revoke: by an earlier call
  kStaleFence,       // the handle has had a newer grant since
  kNotHolder,        // no such grant was ever made; LeasePool: the key does not fit
  kBadHandle,        // LeasePool: no such handle
};

struct Verdict {
  Outcome outcome = Outcome::kOk;
  // True when this call ended the grant: the caller now has the handle and pushes it. With kExpired
  // it means that the deadline had passed but nobody had noticed.
  bool ended_here = false;
  uint64_t current_fence = 0;  // with kStaleFence; Check: always, 0 where none was given
  BootMs ended_at = 0;         // with kAlreadyReturned, kReturned, kExpired, kRevoked
  BootMs granted_at = 0;       // with ended_here
  BootMs deadline = 0;         // Check: with kOk
};

// A running grant, as an onlooker sees it.
struct GrantView {
  uint64_t fence = 0;
  BootMs deadline = 0;
  BootMs granted_at = 0;
  std::string holder;
};

// Which grants an onlooker wants to see.
struct GrantFilter {
  std::optional<std::string_view> holder;  // exactly this one
  uint64_t held_at_least_ms = 0;
};

class LeaseTable {
 public:
  // Handles per mark (I5): one mark saves the sweeper 2 KiB of idle words.
  static constexpr uint32_t kBlock = 256;

  struct Options {
    uint32_t capacity = 0;
    // That of each handle's first grant; to rise over restarts it must be above all that were given
    // before.
    uint64_t first_fence = 1;
    // RecordBytes(capacity) of memory, page by page, zeroed or after Recover; it must outlive the
    // table. Null: the table has its own.
    std::byte* records = nullptr;
  };
  // Null, with `why`, when memory runs out.
  [[nodiscard]] static std::unique_ptr<LeaseTable> Create(const Options& options, std::string& why);
  [[nodiscard]] static std::size_t RecordBytes(uint32_t capacity);

  // Mends the records that an earlier table left behind, before a table is made of them: grants
  // that ran go on; a record that is damaged quarantines its handle; one that was being written
  // when the process ended was never answered for and is forgotten.
  struct Recovery {
    uint32_t leased = 0;
    uint32_t quarantined = 0;  // those of earlier recoveries included
    uint64_t highest_fence = 0;
  };
  [[nodiscard]] static Recovery Recover(std::byte* records, uint32_t capacity, BootMs now);

  // Touches the records of a share from the calling thread. False when memory runs out.
  [[nodiscard]] bool Attach(Share share);
  // Whether nobody has the handle. While nobody leases or returns.
  [[nodiscard]] bool IsFree(Handle handle) const;
  [[nodiscard]] bool IsQuarantined(Handle handle) const;

  // Makes the caller, who has popped the handle, its holder, and returns the fence. `holder` is at
  // most kMaxHolderBytes long.
  uint64_t Grant(Handle handle, BootMs now, BootMs deadline, std::string_view holder);
  [[nodiscard]] Verdict Return(Handle handle, uint64_t fence, BootMs now);
  [[nodiscard]] Verdict Renew(Handle handle, uint64_t fence, BootMs now, BootMs deadline);
  // As Return, but kRevoked where an earlier Revoke did it, and kReturned where a Return did.
  [[nodiscard]] Verdict Revoke(Handle handle, uint64_t fence, BootMs now);

  // Ends what is overdue in [range.first, range.last), a range that begins at a multiple of kBlock,
  // and says what it ended, up to out.size(), with the deadlines. `next` is where to go on;
  // range.last when all was seen.
  struct Overdue {
    Handle handle;
    BootMs deadline;
    BootMs granted_at;
  };
  struct SweepResult {
    uint32_t next;
    uint32_t ended;
  };
  [[nodiscard]] SweepResult Sweep(Share range, BootMs now, std::span<Overdue> out);

  // The running grant of a handle; empty when there is none, or its deadline has passed.
  [[nodiscard]] std::optional<GrantView> Look(Handle handle, BootMs now) const;

  // What the fence is, changing nothing: kOk where its grant runs, kReturned, kExpired, kRevoked,
  // kStaleFence, or kNotHolder where it was never given.
  [[nodiscard]] Verdict Check(Handle handle, uint64_t fence, BootMs now) const;

  // Appends the running grants of `range` that pass the filter, in order, until `out` has `most`.
  // Returns where to go on; range.last when all was seen. A grant that runs all the while is found.
  struct Listed {
    Handle handle;
    GrantView grant;
  };
  [[nodiscard]] Handle List(Share range, const GrantFilter& filter, BootMs now, std::size_t most,
                            std::vector<Listed>& out) const;

  [[nodiscard]] uint32_t capacity() const { return capacity_; }

 private:
  static constexpr std::size_t kHolderWords = kMaxHolderBytes / sizeof(uint64_t);
  struct Details {
    std::atomic<uint64_t> fence;
    // When it was granted: 40 bits; a check of all details: 16; the length of the holder's name: 8.
    std::atomic<uint64_t> packed;
  };
  using HolderWords = std::array<std::atomic<uint64_t>, kHolderWords>;
  static_assert(sizeof(Details) == 16 && sizeof(HolderWords) == kMaxHolderBytes);

  // Where the records are in their memory.
  struct Records {
    std::atomic<uint64_t>* words;
    Details* details;
    HolderWords* holders;
  };
  [[nodiscard]] static Records RecordsIn(std::byte* memory, uint32_t capacity);
  [[nodiscard]] static bool DetailsAreSound(const Records& records, Handle handle, LeaseWord word);

  explicit LeaseTable(const Options& options);
  [[nodiscard]] Verdict Judge(Handle handle, uint64_t fence, LeaseWord word) const;
  [[nodiscard]] Verdict End(Handle handle, uint64_t fence, BootMs now, HandleState how);
  [[nodiscard]] bool TryView(Handle handle, BootMs now, std::optional<GrantView>& view) const;
  [[nodiscard]] BootMs GrantedAt(Handle handle) const;
  void StoreDetails(Handle handle, uint64_t fence, BootMs granted_at, std::string_view holder);
  [[nodiscard]] bool ScanBlock(Share block, BootMs now, std::span<Overdue> out, uint32_t& ended);

  const uint32_t capacity_;
  const uint64_t first_fence_;
  // Apart from each other: the sweeper reads words and marks only, and names are touched only where
  // somebody gave one. 8 + 16 bytes for each handle, 64 more once it had a holder with a name.
  MappedMemory own_records_, mark_memory_;
  const Records records_;
  std::atomic<uint8_t>* const marks_;
};

}  // namespace objpool::lease
