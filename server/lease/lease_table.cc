#include "server/lease/lease_table.h"

#include <algorithm>
#include <cstring>

#include "pool/base/check.h"

namespace objpool::lease {
namespace {

// The parts of Details::packed.
constexpr int kGrantedShift = 24;
constexpr int kCheckShift = 8;
constexpr uint64_t kLengthMask = (uint64_t{1} << kCheckShift) - 1;

// Each bit goes into one of sixteen, so that the change of any one shows.
uint64_t Fold(uint64_t bits) {
  bits ^= bits >> 32;
  return (bits ^ bits >> 16) & 0xffff;
}

// The part of the holder's name that is in one word, rest of zeros.
uint64_t HolderWord(std::string_view holder, std::size_t word) {
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
      own_records_(options.records == nullptr ? MappedMemory(RecordBytes(options.capacity))
                                              : MappedMemory()),
      mark_memory_((options.capacity / kBlock) + 1),
      records_(RecordsIn(options.records == nullptr ? own_records_.base() : options.records,
                         options.capacity)),
      // Pages come zeroed, which is what these trivial records begin as.
      marks_(reinterpret_cast<std::atomic<uint8_t>*>(mark_memory_.base())) {}

// Apart from each other, and the names last, which are touched only where somebody gave one.
std::size_t LeaseTable::RecordBytes(uint32_t capacity) {
  return RoundUpToPages(std::size_t{capacity} * sizeof(uint64_t)) +
         RoundUpToPages(std::size_t{capacity} * sizeof(Details)) +
         RoundUpToPages(std::size_t{capacity} * sizeof(HolderWords));
}

LeaseTable::Records LeaseTable::RecordsIn(std::byte* memory, uint32_t capacity) {
  if (memory == nullptr) return {};
  std::byte* const details = memory + RoundUpToPages(std::size_t{capacity} * sizeof(uint64_t));
  std::byte* const holders = details + RoundUpToPages(std::size_t{capacity} * sizeof(Details));
  return {reinterpret_cast<std::atomic<uint64_t>*>(memory), reinterpret_cast<Details*>(details),
          reinterpret_cast<HolderWords*>(holders)};
}

// Whether the details are those that the word of a grant was stored behind.
bool LeaseTable::DetailsAreSound(const Records& records, Handle handle, LeaseWord word) {
  const Details& details = records.details[handle];
  const uint64_t fence = details.fence.load(std::memory_order_relaxed);
  const uint64_t packed = details.packed.load(std::memory_order_relaxed);
  const std::size_t length = packed & kLengthMask;
  if (length > kMaxHolderBytes || !word.OfFence(fence)) return false;
  uint64_t check = Fold(fence) ^ Fold(packed & ~(uint64_t{0xffff} << kCheckShift));
  for (std::size_t i = 0; i < WordsOf(length); ++i) {
    check ^= Fold(records.holders[handle][i].load(std::memory_order_relaxed));
  }
  return check == ((packed >> kCheckShift) & 0xffff);
}

LeaseTable::Recovery LeaseTable::Recover(std::byte* memory, uint32_t capacity, BootMs now) {
  const Records records = RecordsIn(memory, capacity);
  Recovery recovery;
  for (Handle handle = 0; handle < capacity; ++handle) {
    const LeaseWord word(records.words[handle].load(std::memory_order_relaxed));
    if (word.bits() == 0 && records.details[handle].fence.load(std::memory_order_relaxed) == 0) {
      continue;  // as most are
    }
    const bool held = word.state() == HandleState::kLeased;
    const bool details_sound = DetailsAreSound(records, handle, word);
    if (!word.sound() || word.state() == HandleState::kQuarantined || (held && !details_sound)) {
      ++recovery.quarantined;
      if (word.sound() && word.state() == HandleState::kQuarantined) continue;
      records.words[handle].store(LeaseWord::Quarantined(now).bits(), std::memory_order_relaxed);
      continue;
    }
    recovery.leased += held ? 1 : 0;
    if (details_sound) {
      const uint64_t fence = records.details[handle].fence.load(std::memory_order_relaxed);
      recovery.highest_fence = std::max(recovery.highest_fence, fence);
    } else {
      // Free, and either a grant was being written or a bit was lost. The next fence is above all.
      records.details[handle].fence.store(0, std::memory_order_relaxed);
      records.details[handle].packed.store(0, std::memory_order_relaxed);
      records.words[handle].store(0, std::memory_order_relaxed);
    }
  }
  return recovery;
}

bool LeaseTable::Attach(Share share) {
  const std::size_t count = share.last - share.first;
  const auto at = [](void* address) { return static_cast<std::byte*>(address); };
  if (!TouchPages(at(records_.words + share.first), count * sizeof(uint64_t)) ||
      !TouchPages(at(records_.details + share.first), count * sizeof(Details))) {
    return false;
  }
  for (Handle handle = share.first; handle < share.last; ++handle) {
    const LeaseWord word(records_.words[handle].load(std::memory_order_relaxed));
    if (word.state() == HandleState::kLeased) {
      marks_[handle / kBlock].store(1, std::memory_order_release);  // R4
    }
  }
  return true;
}

bool LeaseTable::IsFree(Handle handle) const {
  const auto state = LeaseWord(records_.words[handle].load(std::memory_order_acquire)).state();
  return state != HandleState::kLeased && state != HandleState::kQuarantined;
}

bool LeaseTable::IsQuarantined(Handle handle) const {
  return LeaseWord(records_.words[handle].load(std::memory_order_acquire)).state() ==
         HandleState::kQuarantined;
}

uint64_t LeaseTable::Grant(Handle handle, BootMs now, BootMs deadline, std::string_view holder) {
  OBJPOOL_DCHECK(IsFree(handle), "only a free handle is granted");
  const uint64_t last = records_.details[handle].fence.load(std::memory_order_relaxed);
  const uint64_t fence = std::max(last + 1, first_fence_);
  StoreDetails(handle, fence, now, holder);
  records_.words[handle].store(LeaseWord::Leased(deadline, fence).bits(),
                               std::memory_order_release);         // R1
  marks_[handle / kBlock].exchange(1, std::memory_order_release);  // R4
  return fence;
}

void LeaseTable::StoreDetails(Handle handle, uint64_t fence, BootMs granted_at,
                              std::string_view holder) {
  OBJPOOL_CHECK(holder.size() <= kMaxHolderBytes, "the edge refuses longer names");
  const uint64_t packed = granted_at << kGrantedShift | holder.size();
  uint64_t check = Fold(fence) ^ Fold(packed);
  records_.details[handle].fence.store(fence, std::memory_order_release);  // R3 -> A3
  for (std::size_t word = 0; word < WordsOf(holder.size()); ++word) {
    const uint64_t bits = HolderWord(holder, word);
    check ^= Fold(bits);
    records_.holders[handle][word].store(bits, std::memory_order_release);  // R3 -> A3
  }
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
  switch (word.state()) {
    case HandleState::kNever:
    case HandleState::kQuarantined:
      return {.outcome = Outcome::kNotHolder};
    case HandleState::kLeased:
      return {.outcome = Outcome::kOk};
    case HandleState::kReturned:
      return {.outcome = Outcome::kReturned, .ended_at = word.time()};
    case HandleState::kExpired:
      return {.outcome = Outcome::kExpired, .ended_at = word.time()};
    case HandleState::kRevoked:
      return {.outcome = Outcome::kRevoked, .ended_at = word.time()};
  }
  base::CheckFailed(__FILE__, __LINE__, "Judge", "a word has one of these states");
}

Verdict LeaseTable::Return(Handle handle, uint64_t fence, BootMs now) {
  Verdict verdict = End(handle, fence, now, HandleState::kReturned);
  if (verdict.outcome == Outcome::kReturned) verdict.outcome = Outcome::kAlreadyReturned;
  return verdict;
}

Verdict LeaseTable::Revoke(Handle handle, uint64_t fence, BootMs now) {
  return End(handle, fence, now, HandleState::kRevoked);
}

// Ends the running grant as `how`, or as expired where its deadline has passed.
Verdict LeaseTable::End(Handle handle, uint64_t fence, BootMs now, HandleState how) {
  for (;;) {
    uint64_t bits = records_.words[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
    const LeaseWord word(bits);
    // A word of another grant than the fence's was loaded while the handle went on: look again.
    Verdict verdict = Judge(handle, fence, word);
    if (verdict.outcome != Outcome::kOk) return verdict;
    if (!word.OfFence(fence)) continue;
    const bool late = word.Overdue(now);
    const HandleState end = late ? HandleState::kExpired : how;
    verdict.granted_at = GrantedAt(handle);
    if (records_.words[handle].compare_exchange_strong(bits, word.Ended(end, now).bits(),
                                                       std::memory_order_acq_rel,  // R2 -> A1
                                                       std::memory_order_relaxed)) {
      verdict.outcome = late ? Outcome::kExpired : Outcome::kOk;
      verdict.ended_here = true;
      verdict.ended_at = now;
      return verdict;
    }
  }
}

Verdict LeaseTable::Renew(Handle handle, uint64_t fence, BootMs now, BootMs deadline) {
  for (;;) {
    uint64_t bits = records_.words[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
    const LeaseWord word(bits);
    Verdict verdict = Judge(handle, fence, word);
    if (verdict.outcome != Outcome::kOk) return verdict;
    if (!word.OfFence(fence)) continue;
    const bool late = word.Overdue(now);
    verdict.granted_at = GrantedAt(handle);
    const LeaseWord next = late ? word.Ended(HandleState::kExpired, now) : word.Renewed(deadline);
    if (records_.words[handle].compare_exchange_strong(bits, next.bits(),
                                                       std::memory_order_acq_rel,  // R2 -> A1
                                                       std::memory_order_relaxed)) {
      verdict.outcome = late ? Outcome::kExpired : Outcome::kOk;
      verdict.ended_here = late;
      verdict.ended_at = late ? now : 0;
      return verdict;
    }
  }
}

LeaseTable::SweepResult LeaseTable::Sweep(Share range, BootMs now, std::span<Overdue> out) {
  OBJPOOL_DCHECK(range.first % kBlock == 0, "marks are for whole blocks");
  uint32_t ended = 0;
  for (uint32_t first = range.first; first < range.last; first += kBlock) {
    std::atomic<uint8_t>& mark = marks_[first / kBlock];
    if (mark.load(std::memory_order_relaxed) == 0) continue;
    mark.exchange(0, std::memory_order_acquire);  // A4 <- R4
    const Share block = {first, std::min(first + kBlock, range.last)};
    // The mark comes back while the block has grants, or when there was no room for all that ended.
    if (ScanBlock(block, now, out, ended)) mark.exchange(1, std::memory_order_release);
    if (ended == out.size()) return {first, ended};
  }
  return {range.last, ended};
}

// Returns whether the block still has grants, as far as it was looked at.
bool LeaseTable::ScanBlock(Share block, BootMs now, std::span<Overdue> out, uint32_t& ended) {
  bool leased = false;
  for (Handle handle = block.first; handle < block.last; ++handle) {
    uint64_t bits = records_.words[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
    const LeaseWord word(bits);
    if (word.state() != HandleState::kLeased) continue;
    leased = true;
    if (!word.Overdue(now)) continue;
    if (ended == out.size()) return true;
    const BootMs granted_at = GrantedAt(handle);
    if (records_.words[handle].compare_exchange_strong(
            bits, word.Ended(HandleState::kExpired, now).bits(),
            std::memory_order_acq_rel,  // R2
            std::memory_order_relaxed)) {
      out[ended++] = {handle, word.time(), granted_at};
    }
  }
  return leased;
}

std::optional<GrantView> LeaseTable::Look(Handle handle, BootMs now) const {
  std::optional<GrantView> view;
  // A try fails only when a grant of this handle began or ended meanwhile. After so many, what is
  // true is that no grant lasts long enough to be shown.
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    if (TryView(handle, now, view)) return view;
  }
  return std::nullopt;
}

bool LeaseTable::TryView(Handle handle, BootMs now, std::optional<GrantView>& view) const {
  const uint64_t before = records_.words[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
  const LeaseWord word(before);
  view.reset();
  if (word.state() != HandleState::kLeased || word.Overdue(now)) return true;
  GrantView seen;
  seen.deadline = word.time();
  seen.fence = records_.details[handle].fence.load(std::memory_order_acquire);  // A3 <- R3
  const uint64_t packed =
      records_.details[handle].packed.load(std::memory_order_acquire);  // A3 <- R3
  seen.granted_at = packed >> kGrantedShift;
  std::array<char, kMaxHolderBytes> name;
  const std::size_t length = std::min<std::size_t>(packed & kLengthMask, kMaxHolderBytes);
  for (std::size_t w = 0; w * sizeof(uint64_t) < length; ++w) {
    const uint64_t bits = records_.holders[handle][w].load(std::memory_order_acquire);  // A3 <- R3
    std::memcpy(name.data() + (w * sizeof(bits)), &bits, sizeof(bits));
  }
  if (records_.words[handle].load(std::memory_order_relaxed) != before) return false;
  seen.holder.assign(name.data(), length);
  view = std::move(seen);
  return true;
}

}  // namespace objpool::lease
