// LeaseTable: who holds which handle until when, as one record for each handle, indexed by it.
//
//   I1  A handle is leased from the Grant of the worker that popped it until exactly one Return,
//       Renew, Revoke or Sweep ends it, by a compare-and-swap of its word. Whoever ends it is told
//       the handle's place from then on, and must bring it there; nobody else may. The same goes
//       for whoever moves it from one place to another (Sweep, Move).
//   I2  Fence and details of a handle are written only by the worker that popped it, before the
//       word says leased.
//   I3  Fences of a handle rise: by one with each grant, and to `first_fence` at least.
//   I4  A grant ends at its deadline or later by this clock, unless it is returned. Once the
//       deadline has passed, whoever looks next ends it: being late is never a way to keep it.
//   I5  A block with a leased or resting handle is marked, or is being scanned by its sweeper.
//   I6  The records in memory that outlives the process are sound after each single store: a grant
//       is the swap of its word, and what is not yet or no more part of one is not looked at.
//       Recover says what a process that was killed anywhere has left.
//
//   R1  Grant swaps the word                  pairs with  A1  every load of a word
//   R2  the swap that ends a grant            pairs with  A1  (so that Grant of the next holder,
//       which got the handle through the pool, is ordered behind it)
//   R3  Grant stores the details              pairs with  A3  Look loads them: having seen a later
//       grant's details, it sees the word changed too, and does not believe them
//   R4  Grant, and an end that begins a rest, looks at the block's mark after the word, and sets it
//       where it is not set    pairs with  A4  the sweeper's clearing swap, before it looks at
//       words. All four are seq_cst: a thread that found the mark still set, and a sweeper that did
//       not see the word, would each come before the other.
//
// Progress: Grant and Look's single try are wait-free; Return, Renew, Revoke and Check are
// lock-free (a failed swap means that somebody else's succeeded). Threads: any, with the rules
// above; Sweep and Attach of one range by one thread. Time is an argument: milliseconds of a clock
// that never goes back and counts on through suspend.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pool/mapped_memory.h"
#include "pool/pool.h"
#include "pool/sync.h"
#include "server/lease/grant_key.h"
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

// In what state a handle comes back.
enum class Disposition : uint8_t {
  kClean,   // ready for the next holder
  kDirty,   // to be cleaned first, by somebody who leases it for that
  kBroken,  // of no use: quarantined
  // Nobody says, for its holder is gone: as if the grant had expired.
  kAbandoned,
};

struct Verdict {
  Outcome outcome = Outcome::kOk;
  // True when this call ended the grant: the caller now has the handle and brings it to its place.
  // With kExpired it means that the deadline had passed but nobody had noticed.
  bool ended_here = false;
  LeaseWord left{0};           // with ended_here: as it is from then on
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

// A handle, as an onlooker sees it.
struct HandleView {
  bool leased = false;
  bool for_cleaning = false;      // with leased
  Place place = Place::kFree;     // without leased
  Ending ending = Ending::kNone;  // of the last grant; without leased
  uint64_t fence = 0;             // of the newest grant; 0 where there was none
  BootMs time = 0;                // its deadline, or when it ended
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
    // How long a handle rests after its grant, before it is free.
    uint64_t rest_ms = 0;
    // It rests, were it for no time, until the sweep finds this true. On the sweeping worker.
    std::function<bool(SlotId worker, Handle handle)> is_ready = {};
    // A handle whose grant expires or is revoked is dirty.
    bool dirty_unless_returned = false;
  };
  // Null, with `why`, when memory runs out.
  [[nodiscard]] static std::unique_ptr<LeaseTable> Create(const Options& options, std::string& why);
  [[nodiscard]] static std::size_t RecordBytes(uint32_t capacity);

  // Mends the records that an earlier table left behind, before a table is made of them: grants
  // that ran go on; a record that is damaged quarantines its handle; one that was being written
  // when the process ended was never answered for and is forgotten. `after_cut`: the machine went
  // down, and of a record some parts may be older than others; then a grant whose details do not
  // belong to its word is somebody's until its deadline, nobody knows whose.
  struct Recovery {
    uint32_t leased = 0;
    uint32_t quarantined = 0;  // those of earlier recoveries included
    uint64_t highest_fence = 0;
  };
  [[nodiscard]] static Recovery Recover(std::byte* records, uint32_t capacity, BootMs now,
                                        bool after_cut = false);
  // After Recover: the grants that run and are answers to requests.
  using VisitRequest = std::function<void(const RequestHash& request, Handle handle, uint64_t fence,
                                          BootMs deadline)>;
  static void VisitRequests(std::byte* records, uint32_t capacity, const VisitRequest& visit);

  // What the records say, for readers of files, who need no table and change nothing: it may run
  // beside the table of another process. Visits the handles that were ever leased or moved, in
  // order.
  enum class Health : uint8_t {
    kSound,
    kUnfinished,  // nobody's, and a grant was being written, or a bit was lost: Recover forgets it
    kDamaged,     // nobody knows who holds it: Recover quarantines it
  };
  struct Inspected {
    Handle handle = 0;
    Health health = Health::kSound;
    LeaseWord word{0};
    GrantView grant;  // the newest one, without its deadline; true where health is kSound, and of
                      // fence 0 where Recover has forgotten it
  };
  static void Inspect(std::span<const std::byte> records, uint32_t capacity,
                      const std::function<void(const Inspected&)>& visit);

  // Touches the records of a share from the calling thread. False when memory runs out.
  [[nodiscard]] bool Attach(Share share);
  // What the handle is now; its parts are of one moment.
  [[nodiscard]] HandleView See(Handle handle) const;
  // Whether the handle belongs into the pool.
  [[nodiscard]] bool IsFree(Handle handle) const { return WordOf(handle).IsAt(Place::kFree); }

  // Makes the caller, who has taken the handle from where free or dirty ones are, its holder, and
  // returns the fence; 0 when it was moved elsewhere meanwhile.
  struct Terms {
    std::string_view holder;  // at most kMaxHolderBytes long
    bool for_cleaning = false;
    // That it is the answer to, if any: to be known after a restart, in records that outlive one.
    RequestHash request = {};
  };
  [[nodiscard]] uint64_t Grant(Handle handle, BootMs now, BootMs deadline, const Terms& terms);
  [[nodiscard]] Verdict Return(Handle handle, uint64_t fence, BootMs now,
                               Disposition disposition = Disposition::kClean);
  [[nodiscard]] Verdict Renew(Handle handle, uint64_t fence, BootMs now, BootMs deadline);
  // As Return, but kRevoked where an earlier Revoke did it, and kReturned where a Return did.
  [[nodiscard]] Verdict Revoke(Handle handle, uint64_t fence, BootMs now);

  // Moves a handle that nobody has to another place; false when it is not at the first one.
  [[nodiscard]] bool Move(Handle handle, Place from, Place to);
  // The same, when it is as it was left, and nothing has happened to it since.
  [[nodiscard]] bool Move(Handle handle, LeaseWord left, Place to);
  [[nodiscard]] bool IsStill(Handle handle, LeaseWord left) const {
    return WordOf(handle).bits() == left.bits();
  }

  // Ends what is overdue and what has rested in [range.first, range.last), a range that begins at a
  // multiple of kBlock, and says what it did, up to out.size(). `next` is where to go on;
  // range.last when all was seen.
  struct Swept {
    Handle handle;
    bool rested;  // it is free now; else its grant has expired
    LeaseWord left{0};
    BootMs deadline;    // of the grant
    BootMs granted_at;  // likewise
  };
  struct SweepResult {
    uint32_t next;
    uint32_t swept;
  };
  [[nodiscard]] SweepResult Sweep(SlotId worker, Share range, BootMs now, std::span<Swept> out);

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

  // From now on, for those that rest now too.
  void SetRest(uint64_t rest_ms) { rest_ms_.store(rest_ms, std::memory_order_relaxed); }
  [[nodiscard]] uint32_t capacity() const { return capacity_; }

 private:
  struct Details {
    Sync::Atomic<uint64_t> fence;
    // When it was granted: 40 bits; a check of all details: 16; whether it has a request: 1; the
    // length of the holder's name: 7.
    Sync::Atomic<uint64_t> packed;
  };
  static constexpr int kGrantedShift = 24;
  static constexpr int kCheckShift = 8;
  static constexpr uint64_t kHasRequest = 0x80;
  static constexpr uint64_t kLengthMask = kHasRequest - 1;
  struct Request {
    Sync::Atomic<uint64_t> id;
    Sync::Atomic<uint64_t> content;
  };
  // A holder's name is in three pieces, each in pages of its own: most names are short, and what
  // they do not reach takes no memory.
  static constexpr std::array<std::size_t, 3> kPieceWords = {2, 2, 4};  // as HolderWord has it
  static_assert(sizeof(Details) == 16 && 8 * sizeof(uint64_t) == kMaxHolderBytes);

  // Where the records are in their memory.
  struct Records {
    Sync::Atomic<uint64_t>* words;
    Details* details;
    std::array<Sync::Atomic<uint64_t>*, kPieceWords.size()> holders;
    Request* requests;
  };
  // A word of the name of the handle's holder.
  [[nodiscard]] static Sync::Atomic<uint64_t>& HolderWord(const Records& records, Handle handle,
                                                          std::size_t word);
  [[nodiscard]] static Records RecordsIn(std::byte* memory, uint32_t capacity);
  [[nodiscard]] static bool DetailsAreSound(const Records& records, Handle handle, LeaseWord word);

  [[nodiscard]] static GrantView DetailsOf(const Records& records, Handle handle);
  [[nodiscard]] static Inspected InspectOne(const Records& records, Handle handle);

  explicit LeaseTable(const Options& options);
  [[nodiscard]] Verdict Judge(Handle handle, uint64_t fence, LeaseWord word) const;
  [[nodiscard]] LeaseWord WordOf(Handle handle) const {
    return LeaseWord(records_.words[handle].load(std::memory_order_acquire));  // A1 <- R1, R2
  }
  [[nodiscard]] LeaseWord AfterEnd(LeaseWord word, Ending how, BootMs now,
                                   Disposition disposition) const;
  void Mark(Handle handle);
  [[nodiscard]] bool SwapWord(Handle handle, LeaseWord from, LeaseWord to);
  [[nodiscard]] Verdict End(Handle handle, uint64_t fence, BootMs now, Ending how,
                            Disposition disposition);
  [[nodiscard]] bool TryView(Handle handle, BootMs now, std::optional<GrantView>& view) const;
  [[nodiscard]] BootMs GrantedAt(Handle handle) const;
  void StoreDetails(Handle handle, uint64_t fence, BootMs granted_at, const Terms& terms);
  [[nodiscard]] bool ScanBlock(SlotId worker, Share block, BootMs now, std::span<Swept> out,
                               uint32_t& swept);
  [[nodiscard]] bool RestIsOver(SlotId worker, Handle handle, LeaseWord word, BootMs now) const;

  const uint32_t capacity_;
  const uint64_t first_fence_;
  std::atomic<uint64_t> rest_ms_;
  const std::function<bool(SlotId worker, Handle handle)> is_ready_;
  const bool dirty_unless_returned_;
  // Apart from each other: the sweeper reads words and marks only, and names are touched only where
  // somebody gave one. 8 + 16 bytes for each handle; 16, 32 or 64 more once it had a holder with a
  // name of so many bytes at most, and in records of others 16 once it was leased by a request with
  // an id.
  MappedMemory own_records_, mark_memory_;
  const Records records_;
  Sync::Atomic<uint8_t>* const marks_;
};

}  // namespace objpool::lease
