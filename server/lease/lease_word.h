// LeaseWord: the state of one handle in 64 bits, so that every transition is one compare-and-swap.
//
//   bits 63..24  time_ms: the deadline while leased, else when the last grant ended (lease clock)
//   bits 23..8   fence_low: the low bits of the fence, which tell apart grants of equal deadline
//   bits  7..3   check: all other bits, folded, so that a word of which a file lost a bit is known
//   bits  2..0   state
//
// The deadline is in the word because "renewed" and "expired" must be one decision: whichever
// changes the word first wins, and the other one sees it. A swap could mistake one grant for
// another only after 2^16 grants of the same handle between two instructions, with a deadline equal
// to the millisecond. 40 bits of milliseconds last 34 years. A word of zeros is a handle that was
// never leased.
#pragma once

#include <cstdint>

namespace objpool::lease {

// Milliseconds of the lease clock, rounded down: CLOCK_BOOTTIME, or where state outlives the
// machine's boots, that plus what went before (server/store).
using BootMs = uint64_t;

enum class HandleState : uint8_t {
  kNever,            // not leased since the table was made
  kLeased,           // held until the deadline
  kReturned,         // free; the last grant was returned
  kExpired,          // free; the last grant ran out
  kRevoked,          // free; the last grant was revoked
  kQuarantined = 7,  // its record was damaged: nobody knows who holds it
};

class LeaseWord {
 public:
  explicit constexpr LeaseWord(uint64_t bits) : bits_(bits) {}
  static constexpr BootMs kMaxTime = (uint64_t{1} << 40) - 1;

  [[nodiscard]] static constexpr LeaseWord Leased(BootMs deadline, uint64_t fence) {
    return Make(HandleState::kLeased, deadline, fence);
  }
  // The same grant with another deadline.
  [[nodiscard]] constexpr LeaseWord Renewed(BootMs deadline) const {
    return Make(HandleState::kLeased, deadline, bits_ >> kFenceShift);
  }
  // The same grant, over.
  [[nodiscard]] constexpr LeaseWord Ended(HandleState how, BootMs at) const {
    return Make(how, at, bits_ >> kFenceShift);
  }

  // Out of the pool for good, until a person decides.
  [[nodiscard]] static constexpr LeaseWord Quarantined(BootMs at) {
    return Make(HandleState::kQuarantined, at, 0);
  }
  // Whether it is as Make left it.
  [[nodiscard]] constexpr bool sound() const {
    return ((bits_ >> kCheckShift) & kCheckMask) == Fold(bits_ & ~(kCheckMask << kCheckShift)) &&
           (state() <= HandleState::kRevoked || state() == HandleState::kQuarantined);
  }

  [[nodiscard]] constexpr HandleState state() const {
    return static_cast<HandleState>(bits_ & kStateMask);
  }
  [[nodiscard]] constexpr BootMs time() const { return bits_ >> kTimeShift; }
  [[nodiscard]] constexpr bool OfFence(uint64_t fence) const {
    return ((bits_ >> kFenceShift) & kFenceMask) == (fence & kFenceMask);
  }
  // Leased, and past its deadline.
  [[nodiscard]] constexpr bool Overdue(BootMs now) const {
    return state() == HandleState::kLeased && time() <= now;
  }
  [[nodiscard]] constexpr uint64_t bits() const { return bits_; }

 private:
  static constexpr int kCheckShift = 3;
  static constexpr int kFenceShift = 8;
  static constexpr int kTimeShift = 24;
  static constexpr uint64_t kStateMask = 0x7;
  static constexpr uint64_t kCheckMask = 0x1f;
  static constexpr uint64_t kFenceMask = (uint64_t{1} << (kTimeShift - kFenceShift)) - 1;

  [[nodiscard]] static constexpr LeaseWord Make(HandleState state, BootMs time, uint64_t fence) {
    const uint64_t bits =
        time << kTimeShift | (fence & kFenceMask) << kFenceShift | static_cast<uint64_t>(state);
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
