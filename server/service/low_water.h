// LowWater: the lowest of the values that were noted in the last minute.
//
// A minute by the clock, and not "since the last scrape": a reader resets nothing, so that two
// Prometheus servers, or a person with curl, do not take the dip away from each other, and one that
// is scraped every minute or more often shows every dip in some scrape. For longer times there is
// min_over_time.
//
// Time goes in slices of 10 s, so a minute is 60 to 70 s.
//   I1  A slice's place holds its number and the lowest value noted in it, in one word.
//
// Threads: any.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

namespace objpool::server {

class LowWater {
 public:
  void Note(uint32_t value, uint64_t now_ms) {
    const uint64_t slice = SliceOf(now_ms);
    std::atomic<uint64_t>& place = places_[slice % kPlaces];
    uint64_t seen = place.load(std::memory_order_relaxed);
    do {
      const uint64_t of = seen >> kValueBits;
      if (of > slice || (of == slice && ValueOf(seen) <= value)) return;
    } while (
        !place.compare_exchange_weak(seen, slice << kValueBits | value, std::memory_order_relaxed));
  }

  // None when nothing was noted in that time.
  [[nodiscard]] std::optional<uint32_t> Lowest(uint64_t now_ms) const {
    const uint64_t slice = SliceOf(now_ms);
    std::optional<uint32_t> lowest;
    for (const std::atomic<uint64_t>& place : places_) {
      const uint64_t seen = place.load(std::memory_order_relaxed);
      // A slice is later than `now_ms` says when the writer's clock was read later.
      if (seen == 0 || (seen >> kValueBits) + kPlaces <= slice) continue;
      lowest = std::min(lowest.value_or(std::numeric_limits<uint32_t>::max()), ValueOf(seen));
    }
    return lowest;
  }

 private:
  static constexpr uint64_t kSliceMs = 10'000;
  static constexpr std::size_t kPlaces = 7;  // six whole slices, and the one that runs
  static constexpr int kValueBits = 32;
  // From 1 on, so that an empty place is none.
  static uint64_t SliceOf(uint64_t now_ms) { return (now_ms / kSliceMs) + 1; }
  static uint32_t ValueOf(uint64_t seen) { return static_cast<uint32_t>(seen); }

  std::array<std::atomic<uint64_t>, kPlaces> places_{};
};

}  // namespace objpool::server
