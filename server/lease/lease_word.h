// LeaseWord: the state of one handle in 64 bits, so that every transition is one compare-and-swap.
//
//   bits 63..24  time_ms: the deadline while leased, else when the last grant ended (lease clock)
//   bits 23..9   fence_sum: of epoch and counter of the fence (server/store), which tells apart
//                grants of equal deadline, and details that are not of this grant
//   bits  8..4   check: all other bits, folded, so that a word of which a file lost a bit is known
//   bits  3..2   place: where the handle is while nobody has it
//   bits  1..0   ending: how its last grant ended
//
// Nobody can have left a handle dirty or resting that was never leased: these two codes mean leased
// and leased for cleaning. The deadline is in the word because "renewed" and "expired" must be one
// decision: whichever changes the word first wins, and the other one sees it. A swap could mistake
// one grant for another only after 2^15 grants of the same handle between two instructions, with a
// deadline equal to the millisecond. 40 bits of milliseconds last 34 years. A word of zeros is a
// handle that was never leased.
#pragma once

#include <cstdint>

namespace objpool::lease {

// Milliseconds of the lease clock, rounded down: CLOCK_BOOTTIME, or where state outlives the
// machine's boots, that plus what went before (server/store).
using BootMs = uint64_t;

// Where a handle is while nobody has it.
enum class Place : uint8_t {
  kFree,         // in the pool: the next Lease may take it
  kDirty,        // set aside for those who ask for dirty handles, to clean them
  kResting,      // free when its rest is over
  kQuarantined,  // out, until a person decides: broken, suspected, or its record was damaged
};

// How the last grant of a handle ended.
enum class Ending : uint8_t { kNone, kReturned, kExpired, kRevoked };

class LeaseWord {
 public:
  explicit constexpr LeaseWord(uint64_t bits) : bits_(bits) {}
  static constexpr BootMs kMaxTime = (uint64_t{1} << 40) - 1;

  [[nodiscard]] static constexpr LeaseWord Leased(BootMs deadline, uint64_t fence,
                                                  bool for_cleaning = false) {
    return Make(for_cleaning ? kCleaning : kLeased, deadline, SumOf(fence));
  }
  // The same grant with another deadline.
  [[nodiscard]] constexpr LeaseWord Renewed(BootMs deadline) const {
    return Make(code(), deadline, bits_ >> kFenceShift);
  }
  // The same grant, over. `how` is not kNone.
  [[nodiscard]] constexpr LeaseWord Ended(Ending how, BootMs at, Place place) const {
    return Make(CodeOf(place, how), at, bits_ >> kFenceShift);
  }
  // Held by nobody, elsewhere. Not to be used where CodeOf(place, ending()) means leased: a handle
  // that was never leased is free or quarantined.
  [[nodiscard]] constexpr LeaseWord At(Place place) const {
    return Make(CodeOf(place, ending()), time(), bits_ >> kFenceShift);
  }
  // Out of the pool; nothing is known of its last grant.
  [[nodiscard]] static constexpr LeaseWord Quarantined(BootMs at) {
    return Make(CodeOf(Place::kQuarantined, Ending::kNone), at, 0);
  }
  // The same place and end, of a grant of which nothing else is known. While not leased.
  [[nodiscard]] constexpr LeaseWord Forgotten() const { return Make(code(), time(), SumOf(0)); }
  // Whether it is as Make left it.
  [[nodiscard]] constexpr bool sound() const {
    return ((bits_ >> kCheckShift) & kCheckMask) == Fold(bits_ & ~(kCheckMask << kCheckShift));
  }

  // A grant runs, or would but for its deadline.
  [[nodiscard]] constexpr bool leased() const { return code() == kLeased || code() == kCleaning; }
  [[nodiscard]] constexpr bool for_cleaning() const { return code() == kCleaning; }
  // While not leased.
  [[nodiscard]] constexpr Place place() const { return static_cast<Place>(code() >> kPlaceShift); }
  [[nodiscard]] constexpr bool IsAt(Place where) const { return !leased() && place() == where; }
  [[nodiscard]] constexpr Ending ending() const {
    return static_cast<Ending>(code() & kEndingMask);
  }
  [[nodiscard]] constexpr BootMs time() const { return bits_ >> kTimeShift; }
  [[nodiscard]] constexpr bool OfFence(uint64_t fence) const {
    return ((bits_ >> kFenceShift) & kFenceMask) == SumOf(fence);
  }
  // Leased, and past its deadline.
  [[nodiscard]] constexpr bool Overdue(BootMs now) const { return leased() && time() <= now; }
  [[nodiscard]] constexpr uint64_t bits() const { return bits_; }

 private:
  static constexpr int kPlaceShift = 2;
  static constexpr int kCheckShift = 4;
  static constexpr int kFenceShift = 9;
  static constexpr int kTimeShift = 24;
  static constexpr uint64_t kEndingMask = 0x3;
  static constexpr uint64_t kCodeMask = 0xf;
  static constexpr uint64_t kCheckMask = 0x1f;
  static constexpr uint64_t kFenceMask = (uint64_t{1} << (kTimeShift - kFenceShift)) - 1;

  [[nodiscard]] static constexpr uint64_t CodeOf(Place place, Ending ending) {
    return static_cast<uint64_t>(place) << kPlaceShift | static_cast<uint64_t>(ending);
  }
  static constexpr uint64_t kLeased = 1 << kPlaceShift;    // dirty, and never leased
  static constexpr uint64_t kCleaning = 2 << kPlaceShift;  // resting, and never leased
  [[nodiscard]] constexpr uint64_t code() const { return bits_ & kCodeMask; }

  // Differs for fences that follow each other, and for the same counter in other epochs.
  [[nodiscard]] static constexpr uint64_t SumOf(uint64_t fence) {
    constexpr int kEpochShift = 32;
    constexpr uint64_t kEpochFactor = 0x4d35;  // odd; far from what counters of an epoch come to
    return (fence + ((fence >> kEpochShift) * kEpochFactor)) & kFenceMask;
  }
  [[nodiscard]] static constexpr LeaseWord Make(uint64_t code, BootMs time, uint64_t sum) {
    const uint64_t bits = time << kTimeShift | (sum & kFenceMask) << kFenceShift | code;
    return LeaseWord(bits | Fold(bits) << kCheckShift);
  }
  // Each bit goes into one of five, so that the change of any one shows.
  [[nodiscard]] static constexpr uint64_t Fold(uint64_t bits) {
    bits ^= bits >> 40;
    bits ^= bits >> 20;
    bits ^= bits >> 10;
    return (bits ^ bits >> 5) & kCheckMask;
  }

  uint64_t bits_;
};

}  // namespace objpool::lease
