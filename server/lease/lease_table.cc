#include "server/lease/lease_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "pool/base/check.h"

namespace objpool::lease {
namespace {

// Each bit goes into one of sixteen, so that the change of any one shows.
uint64_t Fold(uint64_t bits) {
  bits ^= bits >> 32;
  return (bits ^ bits >> 16) & 0xffff;
}

// The sum of a holder's name and a request so far, and its next word. Names repeat themselves, so
// words that are only folded would cancel out, and a name be taken for zeros.
uint64_t AddToSum(uint64_t sum, uint64_t bits) { return (sum ^ bits) * 0x9E3779B97F4A7C15u + 1; }

// The part of the holder's name that is in one word, rest of zeros.
uint64_t PartOf(std::string_view holder, std::size_t word) {
  uint64_t bits = 0;
  const std::string_view part = holder.substr(word * sizeof(bits), sizeof(bits));
  std::memcpy(&bits, part.data(), part.size());
  return bits;
}

std::size_t WordsOf(std::size_t length) {
  return (length + sizeof(uint64_t) - 1) / sizeof(uint64_t);
}

}  // namespace

std::unique_ptr<LeaseTable> LeaseTable::Create(const Options& options, std::string& why) {
  OBJPOOL_CHECK(options.capacity >= 1 && options.capacity <= kMaxCapacity,
                "the pool has such a capacity too");
  OBJPOOL_CHECK(options.first_fence > 0, "fence 0 means none");
  std::unique_ptr<LeaseTable> table(new LeaseTable(options));
  if (table->records_.words == nullptr || table->mark_memory_.empty()) {
    why = "no memory for the lease records of " + std::to_string(options.capacity) + " handles";
    return nullptr;
  }
  return table;
}

LeaseTable::LeaseTable(const Options& options)
    : capacity_(options.capacity),
      first_fence_(options.first_fence),
      rest_ms_(options.rest_ms),
      is_ready_(options.is_ready),
      dirty_unless_returned_(options.dirty_unless_returned),
      own_records_(options.records == nullptr ? MappedMemory(RecordBytes(options.capacity))
                                              : MappedMemory()),
      mark_memory_((options.capacity / kBlock) + 1),
      records_(RecordsIn(options.records == nullptr ? own_records_.base() : options.records,
                         options.capacity)),
      // Pages come zeroed, which is what these trivial records begin as.
      marks_(reinterpret_cast<Sync::Atomic<uint8_t>*>(mark_memory_.base())) {}

// Apart from each other, and the names last, which are touched only where somebody gave one.
std::size_t LeaseTable::RecordBytes(uint32_t capacity) {
  std::size_t bytes = RoundUpToPages(std::size_t{capacity} * sizeof(uint64_t)) +
                      RoundUpToPages(std::size_t{capacity} * sizeof(Details)) +
                      RoundUpToPages(std::size_t{capacity} * sizeof(Request));
  for (const std::size_t words : kPieceWords) {
    bytes += RoundUpToPages(std::size_t{capacity} * words * sizeof(uint64_t));
  }
  return bytes;
}

LeaseTable::Records LeaseTable::RecordsIn(std::byte* memory, uint32_t capacity) {
  if (memory == nullptr) return {};
  std::byte* next = memory;
  const auto take = [&next, capacity](std::size_t bytes) {
    return std::exchange(next, next + RoundUpToPages(std::size_t{capacity} * bytes));
  };
  Records records{};
  records.words = reinterpret_cast<Sync::Atomic<uint64_t>*>(take(sizeof(uint64_t)));
  records.details = reinterpret_cast<Details*>(take(sizeof(Details)));
  for (std::size_t i = 0; i < kPieceWords.size(); ++i) {
    records.holders[i] =
        reinterpret_cast<Sync::Atomic<uint64_t>*>(take(kPieceWords[i] * sizeof(uint64_t)));
  }
  records.requests = reinterpret_cast<Request*>(take(sizeof(Request)));
  return records;
}

Sync::Atomic<uint64_t>& LeaseTable::HolderWord(const Records& records, Handle handle,
                                               std::size_t word) {
  const std::size_t at = handle;
  if (word < 2) return records.holders[0][(at * 2) + word];
  if (word < 4) return records.holders[1][(at * 2) + word - 2];
  return records.holders[2][(at * 4) + word - 4];
}

// Whether the details are those that the word of a grant was stored behind.
bool LeaseTable::DetailsAreSound(const Records& records, Handle handle, LeaseWord word) {
  const Details& details = records.details[handle];
  const uint64_t fence = details.fence.load(std::memory_order_relaxed);
  const uint64_t packed = details.packed.load(std::memory_order_relaxed);
  const std::size_t length = packed & kLengthMask;
  // Zeros are details that were never on the disk, whatever the word says.
  if (fence == 0 || length > kMaxHolderBytes || !word.OfFence(fence)) return false;
  uint64_t check = Fold(fence) ^ Fold(packed & ~(uint64_t{0xffff} << kCheckShift));
  uint64_t sum = 0;
  for (std::size_t i = 0; i < WordsOf(length); ++i) {
    sum = AddToSum(sum, HolderWord(records, handle, i).load(std::memory_order_relaxed));
  }
  if ((packed & kHasRequest) != 0) {
    sum = AddToSum(sum, records.requests[handle].id.load(std::memory_order_relaxed));
    sum = AddToSum(sum, records.requests[handle].content.load(std::memory_order_relaxed));
  }
  check ^= Fold(sum);
  return check == ((packed >> kCheckShift) & 0xffff);
}

LeaseTable::Recovery LeaseTable::Recover(std::byte* memory, uint32_t capacity, BootMs now,
                                         bool after_cut) {
  const Records records = RecordsIn(memory, capacity);
  Recovery recovery;
  for (Handle handle = 0; handle < capacity; ++handle) {
    const LeaseWord word(records.words[handle].load(std::memory_order_relaxed));
    if (word.bits() == 0 && records.details[handle].fence.load(std::memory_order_relaxed) == 0) {
      continue;  // as most are
    }
    const bool details_sound = DetailsAreSound(records, handle, word);
    const bool damaged = word.leased() && !details_sound && !after_cut;
    if (!word.sound() || word.IsAt(Place::kQuarantined) || damaged) {
      ++recovery.quarantined;
      if (word.sound() && !word.leased()) continue;
      records.words[handle].store(LeaseWord::Quarantined(now).bits(), std::memory_order_relaxed);
      continue;
    }
    recovery.leased += word.leased() ? 1u : 0u;
    if (details_sound) {
      const uint64_t fence = records.details[handle].fence.load(std::memory_order_relaxed);
      recovery.highest_fence = std::max(recovery.highest_fence, fence);
    } else {
      // Either a grant was being written or a bit was lost. The next fence is above all; the place
      // stays, or the deadline.
      records.details[handle].fence.store(0, std::memory_order_relaxed);
      records.details[handle].packed.store(now << kGrantedShift, std::memory_order_relaxed);
      if (word.leased()) continue;
      const uint64_t bits = word.IsAt(Place::kFree) ? 0 : word.Forgotten().bits();
      records.words[handle].store(bits, std::memory_order_relaxed);
    }
  }
  return recovery;
}

void LeaseTable::VisitRequests(std::byte* memory, uint32_t capacity, const VisitRequest& visit) {
  const Records records = RecordsIn(memory, capacity);
  for (Handle handle = 0; handle < capacity; ++handle) {
    const LeaseWord word(records.words[handle].load(std::memory_order_relaxed));
    const Details& details = records.details[handle];
    if (!word.leased() || (details.packed.load(std::memory_order_relaxed) & kHasRequest) == 0) {
      continue;
    }
    const Request& request = records.requests[handle];
    visit({request.id.load(std::memory_order_relaxed),
           request.content.load(std::memory_order_relaxed)},
          handle, details.fence.load(std::memory_order_relaxed), word.time());
  }
}

bool LeaseTable::Attach(Share share) {
  const std::size_t count = share.last - share.first;
  const auto at = [](void* address) { return static_cast<std::byte*>(address); };
  if (!TouchPages(at(records_.words + share.first), count * sizeof(uint64_t)) ||
      !TouchPages(at(records_.details + share.first), count * sizeof(Details))) {
    return false;
  }
  for (Handle handle = share.first; handle < share.last; ++handle) {
    const LeaseWord word = WordOf(handle);
    if (word.leased() || word.IsAt(Place::kResting)) {
      marks_[handle / kBlock].store(1, std::memory_order_release);  // R4
    }
  }
  return true;
}

uint64_t LeaseTable::Grant(Handle handle, BootMs now, BootMs deadline, const Terms& terms) {
  const LeaseWord word = WordOf(handle);
  OBJPOOL_DCHECK(!word.leased(), "only a handle that nobody has is granted");
  if (!word.IsAt(terms.for_cleaning ? Place::kDirty : Place::kFree)) return 0;
  const uint64_t last = records_.details[handle].fence.load(std::memory_order_relaxed);
  const uint64_t fence = std::max(last + 1, first_fence_);
  StoreDetails(handle, fence, now, terms);
  const LeaseWord leased = LeaseWord::Leased(deadline, fence, terms.for_cleaning);
  return SwapWord(handle, word, leased) ? fence : 0;  // R1
}

// The block has something for the sweeper. A mark that is there is left alone, and its line shared.
void LeaseTable::Mark(Handle handle) {
  Sync::Atomic<uint8_t>& mark = marks_[handle / kBlock];
  if (mark.load(std::memory_order_seq_cst) == 0) mark.store(1, std::memory_order_seq_cst);  // R4
}

void LeaseTable::StoreDetails(Handle handle, uint64_t fence, BootMs granted_at,
                              const Terms& terms) {
  const std::string_view holder = terms.holder;
  OBJPOOL_CHECK(holder.size() <= kMaxHolderBytes, "the edge refuses longer names");
  // A restart loses records of its own, and all else has RequestMemory.
  const bool has_request = terms.request.id != 0 && own_records_.empty();
  const uint64_t packed =
      granted_at << kGrantedShift | (has_request ? kHasRequest : 0) | holder.size();
  uint64_t sum = 0;
  records_.details[handle].fence.store(fence, std::memory_order_release);  // R3 -> A3
  for (std::size_t word = 0; word < WordsOf(holder.size()); ++word) {
    const uint64_t bits = PartOf(holder, word);
    sum = AddToSum(sum, bits);
    HolderWord(records_, handle, word).store(bits, std::memory_order_release);  // R3 -> A3
  }
  if (has_request) {
    sum = AddToSum(AddToSum(sum, terms.request.id), terms.request.content);
    records_.requests[handle].id.store(terms.request.id, std::memory_order_release);
    records_.requests[handle].content.store(terms.request.content, std::memory_order_release);
  }
  const uint64_t check = Fold(fence) ^ Fold(packed) ^ Fold(sum);
  records_.details[handle].packed.store(packed | check << kCheckShift,
                                        std::memory_order_release);  // R3 -> A3
}

BootMs LeaseTable::GrantedAt(Handle handle) const {
  return records_.details[handle].packed.load(std::memory_order_acquire) >> kGrantedShift;
}

// What a caller who shows `fence` is told of a handle in this state. kOk means that this very grant
// is running, or, where the word is not of this fence, that the handle went on: look again.
Verdict LeaseTable::Judge(Handle handle, uint64_t fence, LeaseWord word) const {
  const uint64_t current = records_.details[handle].fence.load(std::memory_order_acquire);
  if (fence < current) return {.outcome = Outcome::kStaleFence, .current_fence = current};
  if (fence > current) return {.outcome = Outcome::kNotHolder, .current_fence = current};
  if (!word.OfFence(fence)) {
    // Whoever guesses may be ahead of Grant, which writes the fence before the word.
    const uint64_t bits = records_.words[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
    return {.outcome = bits == word.bits() ? Outcome::kNotHolder : Outcome::kOk};
  }
  if (word.leased()) return {.outcome = Outcome::kOk};
  switch (word.ending()) {
    case Ending::kNone:
      return {.outcome = Outcome::kNotHolder};
    case Ending::kReturned:
      return {.outcome = Outcome::kReturned, .ended_at = word.time()};
    case Ending::kExpired:
      return {.outcome = Outcome::kExpired, .ended_at = word.time()};
    case Ending::kRevoked:
      return {.outcome = Outcome::kRevoked, .ended_at = word.time()};
  }
  base::CheckFailed(__FILE__, __LINE__, "Judge", "a grant ends in one of these ways");
}

Verdict LeaseTable::Return(Handle handle, uint64_t fence, BootMs now, Disposition disposition) {
  Verdict verdict = End(handle, fence, now, Ending::kReturned, disposition);
  if (verdict.outcome == Outcome::kReturned) verdict.outcome = Outcome::kAlreadyReturned;
  return verdict;
}

Verdict LeaseTable::Revoke(Handle handle, uint64_t fence, BootMs now) {
  return End(handle, fence, now, Ending::kRevoked, Disposition::kClean);
}

// The word of a grant that is over. A holder who is late, or who is not asked, says nothing of the
// handle's state; one that was dirty is then dirty still.
LeaseWord LeaseTable::AfterEnd(LeaseWord word, Ending how, BootMs now,
                               Disposition disposition) const {
  const bool rests = rest_ms_.load(std::memory_order_relaxed) != 0 || is_ready_;
  Place place = rests ? Place::kResting : Place::kFree;
  if (how != Ending::kReturned || disposition == Disposition::kAbandoned) {
    if (word.for_cleaning() || dirty_unless_returned_) place = Place::kDirty;
  } else if (disposition == Disposition::kDirty) {
    place = Place::kDirty;
  } else if (disposition == Disposition::kBroken) {
    place = Place::kQuarantined;
  }
  return word.Ended(how, now, place);
}

// The one step by which a grant begins, goes on or ends, and by which a handle moves.
bool LeaseTable::SwapWord(Handle handle, LeaseWord from, LeaseWord to) {
  uint64_t bits = from.bits();
  if (!records_.words[handle].compare_exchange_strong(bits, to.bits(),
                                                      std::memory_order_seq_cst,  // R1, R2 -> A1
                                                      std::memory_order_relaxed)) {
    return false;
  }
  const bool leased = to.leased() && !from.leased();
  if (leased || to.IsAt(Place::kResting)) Mark(handle);
  return true;
}

// Ends the running grant as `how`, or as expired where its deadline has passed.
Verdict LeaseTable::End(Handle handle, uint64_t fence, BootMs now, Ending how,
                        Disposition disposition) {
  for (;;) {
    const LeaseWord word = WordOf(handle);
    // A word of another grant than the fence's was loaded while the handle went on: look again.
    Verdict verdict = Judge(handle, fence, word);
    if (verdict.outcome != Outcome::kOk) return verdict;
    if (!word.OfFence(fence)) continue;
    const bool late = word.Overdue(now);
    const LeaseWord next = AfterEnd(word, late ? Ending::kExpired : how, now, disposition);
    verdict.granted_at = GrantedAt(handle);
    if (SwapWord(handle, word, next)) {
      verdict.outcome = late ? Outcome::kExpired : Outcome::kOk;
      verdict.ended_here = true;
      verdict.ended_at = now;
      verdict.left = next;
      return verdict;
    }
  }
}

Verdict LeaseTable::Renew(Handle handle, uint64_t fence, BootMs now, BootMs deadline) {
  for (;;) {
    const LeaseWord word = WordOf(handle);
    Verdict verdict = Judge(handle, fence, word);
    if (verdict.outcome != Outcome::kOk) return verdict;
    if (!word.OfFence(fence)) continue;
    const bool late = word.Overdue(now);
    verdict.granted_at = GrantedAt(handle);
    const LeaseWord next =
        late ? AfterEnd(word, Ending::kExpired, now, Disposition::kClean) : word.Renewed(deadline);
    if (SwapWord(handle, word, next)) {
      verdict.outcome = late ? Outcome::kExpired : Outcome::kOk;
      verdict.ended_here = late;
      verdict.ended_at = late ? now : 0;
      if (late) verdict.left = next;
      return verdict;
    }
  }
}

bool LeaseTable::Move(Handle handle, Place from, Place to) {
  for (;;) {
    const LeaseWord word = WordOf(handle);
    if (!word.IsAt(from)) return false;
    if (SwapWord(handle, word, word.At(to))) return true;
  }
}

bool LeaseTable::Move(Handle handle, LeaseWord left, Place to) {
  return SwapWord(handle, left, left.At(to));
}

LeaseTable::SweepResult LeaseTable::Sweep(SlotId worker, Share range, BootMs now,
                                          std::span<Swept> out) {
  OBJPOOL_DCHECK(range.first % kBlock == 0, "marks are for whole blocks");
  uint32_t swept = 0;
  for (uint32_t first = range.first; first < range.last; first += kBlock) {
    Sync::Atomic<uint8_t>& mark = marks_[first / kBlock];
    if (mark.load(std::memory_order_relaxed) == 0) continue;
    mark.exchange(0, std::memory_order_seq_cst);  // A4 <- R4
    const Share block = {first, std::min(first + kBlock, range.last)};
    // The mark comes back while the block has grants or rests, or when there was no room for all.
    if (ScanBlock(worker, block, now, out, swept)) mark.exchange(1, std::memory_order_release);
    if (swept == out.size()) return {first, swept};
  }
  return {range.last, swept};
}

// Whether a resting handle can go. Who is not ready is asked again at the next round.
bool LeaseTable::RestIsOver(SlotId worker, Handle handle, LeaseWord word, BootMs now) const {
  return word.time() + rest_ms_.load(std::memory_order_relaxed) <= now &&
         (!is_ready_ || is_ready_(worker, handle));
}

// Returns whether the block still has grants or rests, as far as it was looked at.
bool LeaseTable::ScanBlock(SlotId worker, Share block, BootMs now, std::span<Swept> out,
                           uint32_t& swept) {
  bool more = false;
  for (Handle handle = block.first; handle < block.last; ++handle) {
    const LeaseWord word(records_.words[handle].load(std::memory_order_seq_cst));  // A1, A4
    const bool rests = word.IsAt(Place::kResting);
    if (!word.leased() && !rests) continue;
    if (swept == out.size()) return true;
    if (!(rests ? RestIsOver(worker, handle, word, now) : word.Overdue(now))) {
      more = true;
      continue;
    }
    const BootMs granted_at = GrantedAt(handle);
    const LeaseWord next =
        rests ? word.At(Place::kFree) : AfterEnd(word, Ending::kExpired, now, Disposition::kClean);
    // What begins to rest here is marked again; so is what somebody else has just renewed.
    more = more || next.IsAt(Place::kResting);
    if (SwapWord(handle, word, next)) {
      out[swept++] = {handle, rests, next, word.time(), granted_at};
    } else {
      more = true;
    }
  }
  return more;
}

}  // namespace objpool::lease
