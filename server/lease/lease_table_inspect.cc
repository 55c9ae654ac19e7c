// What the records of a table say, to readers of files too.
#include <algorithm>
#include <array>
#include <cstring>

#include "pool/base/check.h"
#include "server/lease/lease_table.h"

namespace objpool::lease {

// All but the deadline, which the word has.
GrantView LeaseTable::DetailsOf(const Records& records, Handle handle) {
  const Details& details = records.details[handle];
  GrantView seen;
  seen.fence = details.fence.load(std::memory_order_acquire);              // A3 <- R3
  const uint64_t packed = details.packed.load(std::memory_order_acquire);  // A3 <- R3
  seen.granted_at = packed >> kGrantedShift;
  std::array<char, kMaxHolderBytes> name;
  const std::size_t length = std::min<std::size_t>(packed & kLengthMask, kMaxHolderBytes);
  for (std::size_t w = 0; w * sizeof(uint64_t) < length; ++w) {
    const uint64_t bits =
        HolderWord(records, handle, w).load(std::memory_order_acquire);  // A3 <- R3
    std::memcpy(name.data() + (w * sizeof(bits)), &bits, sizeof(bits));
  }
  seen.holder.assign(name.data(), length);
  return seen;
}

void LeaseTable::Inspect(std::span<const std::byte> memory, uint32_t capacity,
                         const std::function<void(const Inspected&)>& visit) {
  OBJPOOL_CHECK(memory.size() == RecordBytes(capacity), "these are the records of so many handles");
  // Nothing is stored through it.
  const Records records = RecordsIn(const_cast<std::byte*>(memory.data()), capacity);
  for (Handle handle = 0; handle < capacity; ++handle) {
    const uint64_t bits = records.words[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
    if (bits == 0 && records.details[handle].fence.load(std::memory_order_relaxed) == 0) continue;
    visit(InspectOne(records, handle));
  }
}

LeaseTable::Inspected LeaseTable::InspectOne(const Records& records, Handle handle) {
  // A try fails only when a grant of this handle began or ended meanwhile, in another process.
  constexpr int kTries = 100;
  Inspected seen;
  seen.handle = handle;
  for (int i = 0; i < kTries; ++i) {
    const uint64_t bits = records.words[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
    seen.word = LeaseWord(bits);
    seen.grant = DetailsOf(records, handle);
    const bool details_sound = DetailsAreSound(records, handle, seen.word);
    const bool out_of_use = seen.word.IsAt(Place::kQuarantined);
    const bool forgotten = seen.grant.fence == 0 && seen.word.OfFence(0);  // by Recover
    if (!seen.word.sound() || (seen.word.leased() && !details_sound)) {
      seen.health = Health::kDamaged;
    } else if (details_sound || out_of_use || forgotten) {
      seen.health = Health::kSound;
    } else {
      seen.health = Health::kUnfinished;
    }
    if (records.words[handle].load(std::memory_order_relaxed) == bits) break;
  }
  return seen;
}

}  // namespace objpool::lease
