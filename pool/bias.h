// Bias: keeps the owner of a slot and its thieves apart, at no cost to the owner while nobody
// steals.
//
//   word   kBiased   the owner enters by setting `active`; nobody else does
//          kShared   nobody is inside; whoever swaps it to kHeld is
//          kHeld     somebody is inside
//
//   I1  Two threads are never inside at once.
//   I2  Only the owner, while it holds the word, makes it kBiased.
//   I3  A word that a thief took away from the owner (kBiased -> kHeld) is given back only after a
//       heavy fence, so that no later entry of the owner believes in kBiased.
//
//   R1  a thief leaves: word = kShared, release      pairs with   A1  a swap to kHeld, acquire
//   R2  the owner leaves: active = 0, release        pairs with   A2  a thief's load of active
//   R3  the owner leaves: word = kShared or kBiased, release     pairs with   A1
//   F1  owner: store active; light fence; load word. Thief: swap word; heavy fence; load active. At
//       least one sees the other (sync.h).
//
// Why I1 holds. Against an owner that came in by the bias, its thief waits until `active` is 0 (F1,
// A2). One that loses patience gives the word back as kShared, without having been inside; the next
// one finds, by A1 on R1, itself behind the first one's heavy fence, and so sees `active` too.
// Between all others the word is a lock.
//
// Progress: Enter and Leave are wait-free. The owner never waits for a thief: it is refused after a
// bounded number of tries. A thief waits for an owner that was stopped in the midst of an entry, a
// bounded number of tries too.
//
// Threads: Enter and Leave by the one owner; TryHold and Release by any other. The idea is that of
// asymmetric Dekker locks; pool/README.md says how the pool uses it.
#pragma once

#include <atomic>
#include <cstdint>

namespace objpool {

// How long one waits; a model checker has no time for so much (tests/model).
struct BiasLimits {
  // Entries without a thief after which the owner takes the bias back: a revocation costs as much
  // as some hundred locked entries.
  static constexpr uint32_t kQuietEntries = 512;
  // A thief is inside for about a hundred nanoseconds, when it runs.
  static constexpr unsigned kOwnerTries = 32;
  // Beyond 64 tries each is a turn of the scheduler.
  static constexpr unsigned kThiefTries = 128;
};

template <typename Sync, typename Limits = BiasLimits>
class Bias {
 public:
  enum class Entry : uint8_t { kFast, kLocked, kRefused };

  // Without `biased` the word is a plain lock for ever: for systems without heavy fences.
  explicit Bias(bool biased) : word_(biased ? kBiased : kShared), may_bias_(biased) {}

  // The owner's way in by the bias, and out. False when it has none: then it is not inside.
  [[nodiscard]] bool EnterFast() {
    active_.store(1, std::memory_order_relaxed);
    Sync::LightFence();                                                 // F1
    if (word_.load(std::memory_order_acquire) == kBiased) [[likely]] {  // A1
      return true;
    }
    LeaveFast();
    return false;
  }
  void LeaveFast() { active_.store(0, std::memory_order_release); }  // R2 -> A2

  // The owner's way in without it. With kRefused it is not inside, and a thief is.
  [[nodiscard]] Entry EnterShared() { return TryLock() ? Entry::kLocked : WaitShared(); }
  void LeaveShared() {
    uint32_t word = kShared;
    if (may_bias_ && ++quiet_ > Limits::kQuietEntries) {
      quiet_ = 0;
      word = kBiased;
    }
    word_.store(word, std::memory_order_release);  // R3 -> A1
  }

  // The owner's way in, whichever is open, and out. `entry` is what Enter said, not kRefused.
  [[nodiscard]] Entry Enter() { return EnterFast() ? Entry::kFast : EnterShared(); }
  void Leave(Entry entry) {
    if (entry == Entry::kFast) {
      LeaveFast();
    } else {
      LeaveShared();
    }
  }

  // A thief's way in. False when somebody else is inside and does not leave soon.
  [[nodiscard]] bool TryHold() {
    uint32_t word = word_.load(std::memory_order_relaxed);
    if (word == kHeld || !word_.compare_exchange_strong(word, kHeld, std::memory_order_acquire,
                                                        std::memory_order_relaxed)) {  // A1
      return false;
    }
    if (word == kBiased) Sync::HeavyFence();  // F1
    unsigned tries = 0;
    while (active_.load(std::memory_order_acquire) != 0) {  // A2
      if (++tries > Limits::kThiefTries) {
        Release();
        return false;
      }
      Sync::Pause(tries);
    }
    quiet_ = 0;
    return true;
  }
  void Release() { word_.store(kShared, std::memory_order_release); }  // R1 -> A1

 private:
  // Of the word in kShared.
  bool TryLock() {
    uint32_t word = kShared;
    return word_.compare_exchange_strong(word, kHeld, std::memory_order_acquire,
                                         std::memory_order_relaxed);  // A1
  }
  [[gnu::noinline]] Entry WaitShared() {
    for (unsigned tries = 1; tries < Limits::kOwnerTries; ++tries) {
      Sync::Pause(tries);
      if (TryLock()) return Entry::kLocked;
    }
    return Entry::kRefused;
  }

  static constexpr uint32_t kBiased = 0;
  static constexpr uint32_t kShared = 2;
  static constexpr uint32_t kHeld = 3;

  typename Sync::template Atomic<uint32_t> active_{0};
  typename Sync::template Atomic<uint32_t> word_;
  typename Sync::template Plain<uint32_t> quiet_{0};  // of whoever holds the word
  const bool may_bias_;
};

}  // namespace objpool
