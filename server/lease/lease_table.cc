#include "server/lease/lease_table.h"

#include <algorithm>
#include <cstring>

#include "pool/base/check.h"

namespace objpool::lease {
namespace {

template <typename T>
T* Array(const MappedMemory& memory) {
  // Pages come zeroed, which is what these trivial records begin as.
  return reinterpret_cast<T*>(memory.base());
}

constexpr uint64_t kLengthBits = 8;
constexpr uint64_t kLengthMask = (uint64_t{1} << kLengthBits) - 1;

}  // namespace

std::unique_ptr<LeaseTable> LeaseTable::Create(uint32_t capacity, uint64_t first_fence,
                                               std::string& why) {
  OBJPOOL_CHECK(capacity >= 1 && capacity <= kMaxCapacity, "the pool has such a capacity too");
  OBJPOOL_CHECK(first_fence > 0, "fence 0 means none");
  std::unique_ptr<LeaseTable> table(new LeaseTable(capacity, first_fence));
  if (table->word_memory_.empty() || table->detail_memory_.empty() ||
      table->holder_memory_.empty() || table->mark_memory_.empty()) {
    why = "no memory for the lease records of " + std::to_string(capacity) + " handles";
    return nullptr;
  }
  return table;
}

LeaseTable::LeaseTable(uint32_t capacity, uint64_t first_fence)
    : capacity_(capacity),
      first_fence_(first_fence),
      word_memory_(std::size_t{capacity} * sizeof(uint64_t)),
      detail_memory_(std::size_t{capacity} * sizeof(Details)),
      holder_memory_(std::size_t{capacity} * sizeof(HolderWords)),
      mark_memory_((capacity / kBlock) + 1),
      words_(Array<std::atomic<uint64_t>>(word_memory_)),
      details_(Array<Details>(detail_memory_)),
      holders_(Array<HolderWords>(holder_memory_)),
      marks_(Array<std::atomic<uint8_t>>(mark_memory_)) {}

bool LeaseTable::Attach(Share share) {
  const std::size_t count = share.last - share.first;
  const auto at = [](void* address) { return static_cast<std::byte*>(address); };
  return TouchPages(at(words_ + share.first), count * sizeof(uint64_t)) &&
         TouchPages(at(details_ + share.first), count * sizeof(Details));
}

uint64_t LeaseTable::Grant(Handle handle, BootMs now, BootMs deadline, std::string_view holder) {
  OBJPOOL_DCHECK(
      LeaseWord(words_[handle].load(std::memory_order_relaxed)).state() != HandleState::kLeased,
      "only a free handle is granted");
  Details& details = details_[handle];
  const uint64_t last = details.fence.load(std::memory_order_relaxed);
  const uint64_t fence = last == 0 ? first_fence_ : last + 1;
  details.fence.store(fence, std::memory_order_release);  // R3 -> A3
  details.granted_and_length.store(now << kLengthBits | holder.size(),
                                   std::memory_order_release);  // R3 -> A3
  StoreHolder(handle, holder);
  words_[handle].store(LeaseWord::Leased(deadline, fence).bits(), std::memory_order_release);  // R1
  marks_[handle / kBlock].exchange(1, std::memory_order_release);                              // R4
  return fence;
}

void LeaseTable::StoreHolder(Handle handle, std::string_view holder) {
  OBJPOOL_CHECK(holder.size() <= kMaxHolderBytes, "the edge refuses longer names");
  for (std::size_t word = 0; word * sizeof(uint64_t) < holder.size(); ++word) {
    uint64_t bits = 0;
    const std::string_view part = holder.substr(word * sizeof(bits), sizeof(bits));
    std::memcpy(&bits, part.data(), part.size());
    holders_[handle][word].store(bits, std::memory_order_release);  // R3 -> A3
  }
}

BootMs LeaseTable::GrantedAt(Handle handle) const {
  return details_[handle].granted_and_length.load(std::memory_order_acquire) >> kLengthBits;
}

// What a caller who shows `fence` is told of a handle in this state. kOk means that this very grant
// is running.
Verdict LeaseTable::Judge(Handle handle, uint64_t fence, LeaseWord word) const {
  const uint64_t current = details_[handle].fence.load(std::memory_order_acquire);
  if (fence != current) return {.outcome = Outcome::kStaleFence, .current_fence = current};
  switch (word.state()) {
    case HandleState::kNever:
      return {.outcome = Outcome::kNotHolder};
    case HandleState::kLeased:
      return {.outcome = Outcome::kOk};
    case HandleState::kReturned:
      return {.outcome = Outcome::kReturned, .ended_at = word.time()};
    case HandleState::kExpired:
      return {.outcome = Outcome::kExpired, .ended_at = word.time()};
  }
  base::CheckFailed(__FILE__, __LINE__, "Judge", "a word has one of four states");
}

Verdict LeaseTable::Return(Handle handle, uint64_t fence, BootMs now) {
  for (;;) {
    uint64_t bits = words_[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
    const LeaseWord word(bits);
    // A word of another grant than the fence's was loaded while the handle went on: look again.
    Verdict verdict = Judge(handle, fence, word);
    if (verdict.outcome == Outcome::kReturned) verdict.outcome = Outcome::kAlreadyReturned;
    if (verdict.outcome != Outcome::kOk) return verdict;
    if (!word.OfFence(fence)) continue;
    const bool late = word.Overdue(now);
    const HandleState end = late ? HandleState::kExpired : HandleState::kReturned;
    verdict.granted_at = GrantedAt(handle);
    if (words_[handle].compare_exchange_strong(bits, word.Ended(end, now).bits(),
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
    uint64_t bits = words_[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
    const LeaseWord word(bits);
    Verdict verdict = Judge(handle, fence, word);
    if (verdict.outcome != Outcome::kOk) return verdict;
    if (!word.OfFence(fence)) continue;
    const bool late = word.Overdue(now);
    verdict.granted_at = GrantedAt(handle);
    const LeaseWord next = late ? word.Ended(HandleState::kExpired, now) : word.Renewed(deadline);
    if (words_[handle].compare_exchange_strong(bits, next.bits(),
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
    uint64_t bits = words_[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
    const LeaseWord word(bits);
    if (word.state() != HandleState::kLeased) continue;
    leased = true;
    if (!word.Overdue(now)) continue;
    if (ended == out.size()) return true;
    const BootMs granted_at = GrantedAt(handle);
    if (words_[handle].compare_exchange_strong(bits, word.Ended(HandleState::kExpired, now).bits(),
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
  const uint64_t before = words_[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
  const LeaseWord word(before);
  view.reset();
  if (word.state() != HandleState::kLeased || word.Overdue(now)) return true;
  GrantView seen;
  seen.deadline = word.time();
  seen.fence = details_[handle].fence.load(std::memory_order_acquire);  // A3 <- R3
  const uint64_t packed =
      details_[handle].granted_and_length.load(std::memory_order_acquire);  // A3 <- R3
  seen.granted_at = packed >> kLengthBits;
  std::array<char, kMaxHolderBytes> name;
  const std::size_t length = std::min<std::size_t>(packed & kLengthMask, kMaxHolderBytes);
  for (std::size_t w = 0; w * sizeof(uint64_t) < length; ++w) {
    const uint64_t bits = holders_[handle][w].load(std::memory_order_acquire);  // A3 <- R3
    std::memcpy(name.data() + (w * sizeof(bits)), &bits, sizeof(bits));
  }
  if (words_[handle].load(std::memory_order_relaxed) != before) return false;
  seen.holder.assign(name.data(), length);
  view = std::move(seen);
  return true;
}

}  // namespace objpool::lease
