// Magazine: the free handles that the owner of a slot works on, a last-in-first-out array.
//
//   I1  One word holds how many there are and, above it, how many the owner pushed so far: a push
//       or a pop of the owner is one load and one store of it.
//   I2  Whoever is inside the slot's exclusion (bias.h) reads and writes it; others read counters.
//   I3  Every gain raises the pushes or `moves_`: a reader that finds both unchanged knows that
//       nothing came in between. They are raised with the gain or after it, never before: a reader
//       that counted a gain already must find it there.
//   I4  moved = size + popped - pushed. Between `begun_` and `moves_` a move is under way, and
//       `moved_` and the word may not belong together.
//
// Push and pop take no locked instruction and no fence.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <span>

namespace objpool {

template <typename Sync, uint32_t kRoom>
class Magazine {
  static constexpr unsigned kSizeBits = 8;
  static constexpr uint64_t kOnePush = (uint64_t{1} << kSizeBits) + 1;
  static_assert(kRoom < 1u << kSizeBits, "a size fits into its part of the word");

 public:
  // What the owner's fast path looks at once and passes on.
  class Word {
   public:
    [[nodiscard]] uint32_t size() const {
      return static_cast<uint32_t>(value_ & ((1u << kSizeBits) - 1));
    }

   private:
    friend Magazine;
    explicit Word(uint64_t value) : value_(value) {}
    uint64_t value_;
  };

  // Inside.
  [[nodiscard]] Word word() const { return Word(word_.load(std::memory_order_relaxed)); }
  [[nodiscard]] uint32_t size() const { return word().size(); }
  // `now` is word(), its size below kRoom.
  void Push(Word now, uint32_t handle) {
    handles_[now.size()] = handle;
    word_.store(now.value_ + kOnePush, std::memory_order_release);
  }
  // `now` is word(), its size not 0.
  [[nodiscard]] uint32_t Pop(Word now) {
    word_.store(now.value_ - 1, std::memory_order_relaxed);
    return handles_[now.size() - 1];
  }
  // The same of many: there is room, or there are as many.
  void PushMany(Word now, std::span<const uint32_t> from) {
    std::copy(from.begin(), from.end(), handles_.begin() + now.size());
    word_.store(now.value_ + (kOnePush * from.size()), std::memory_order_release);
  }
  void PopMany(Word now, std::span<uint32_t> to) {
    CopyTop(now, to);
    word_.store(now.value_ - to.size(), std::memory_order_relaxed);
  }
  // Handles that come from or go to other places of the pool. Those that leave are the coldest.
  void Load(std::span<const uint32_t> from) {
    const Word now = word();
    std::copy(from.begin(), from.end(), handles_.begin() + now.size());
    Move(now, from.size());
  }
  void Unload(std::span<uint32_t> to) {
    const Word now = word();
    const auto count = static_cast<std::ptrdiff_t>(to.size());
    std::copy(handles_.begin(), handles_.begin() + count, to.begin());
    std::copy(handles_.begin() + count, handles_.begin() + now.size(), handles_.begin());
    Move(now, -uint64_t{to.size()});
  }
  // The same of the warmest, for a taker that has not decided yet.
  void UnloadTop(std::span<uint32_t> to) {
    const Word now = word();
    CopyTop(now, to);
    Move(now, -uint64_t{to.size()});
  }

  // Outside. Changes with every gain (I3), and with a loss to others.
  [[nodiscard]] uint64_t gains() const {
    return (word_.load(std::memory_order_acquire) >> kSizeBits) +
           moves_.load(std::memory_order_acquire);
  }
  // Whether it was empty at an instant during the call.
  [[nodiscard]] bool looks_empty() const {
    return Word(word_.load(std::memory_order_acquire)).size() == 0;
  }
  // What the owner pushed and popped so far. Exact and only rising, unless `kTries` moves were
  // under way while it was read.
  struct Counts {
    uint64_t pushed = 0;
    uint64_t popped = 0;
  };
  [[nodiscard]] Counts counts() const {
    constexpr unsigned kTries = 64;
    Counts counts;
    for (unsigned tries = 0; tries < kTries; ++tries) {
      const uint64_t ended = moves_.load(std::memory_order_acquire);
      const uint64_t word = word_.load(std::memory_order_acquire);
      const uint64_t moved = moved_.load(std::memory_order_acquire);
      counts.pushed = word >> kSizeBits;
      counts.popped = counts.pushed + moved - Word(word).size();
      if (begun_.load(std::memory_order_acquire) == ended) break;
      Sync::Pause(tries);
    }
    return counts;
  }

 private:
  void CopyTop(Word now, std::span<uint32_t> to) const {
    const auto top = handles_.begin() + now.size();
    std::copy(top - static_cast<std::ptrdiff_t>(to.size()), top, to.begin());
  }
  // `change` is of the size, modulo 2^64. Each step is a release so that who sees it sees the ones
  // before it (I3, I4).
  void Move(Word now, uint64_t change) {
    if (change == 0) return;
    const uint64_t move = moves_.load(std::memory_order_relaxed) + 1;
    begun_.store(move, std::memory_order_relaxed);
    word_.store(now.value_ + change, std::memory_order_release);
    moved_.store(moved_.load(std::memory_order_relaxed) + change, std::memory_order_release);
    moves_.store(move, std::memory_order_release);
  }

  typename Sync::template Atomic<uint64_t> word_{0};   // pushed << kSizeBits | size
  typename Sync::template Atomic<uint64_t> moved_{0};  // in less out, modulo 2^64
  typename Sync::template Atomic<uint64_t> begun_{0};  // moves
  typename Sync::template Atomic<uint64_t> moves_{0};  // that ended
  // Aligned for copies by vector registers, which stall where a load crosses what was stored.
  alignas(16) std::array<typename Sync::template Plain<uint32_t>, kRoom> handles_{};
};

}  // namespace objpool
