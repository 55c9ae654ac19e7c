// FloodGuard: how many frames a connection may send that cost the server something and bring the
// client nothing. Each kind has an allowance that fills up with time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "server/rpc/boot_clock.h"
#include "server/rpc/connection_stats.h"
#include "server/rpc/h2_limits.h"

namespace objpool::rpc {

class FloodGuard {
 public:
  struct Allowance {
    uint32_t burst;
    uint32_t per_s;
  };
  // A client may give up all its calls at once, and does so when it goes; those that have waited
  // for a while it may give up by the thousand, when their deadlines come. To what it is answered
  // it says pings (to measure the line) and window updates, some of them for each call, and a reset
  // or the rest of a request may cross the end of an answer: the Earn... pay for those.
  static constexpr std::size_t kGuarded = 8;  // the first kinds
  // What a reset of a call counts that has hardly begun, where others count one.
  static constexpr uint32_t kRapidReset = 50;
  static constexpr std::array<Allowance, kGuarded> kAllowances = {{
      {.burst = 1000 * kRapidReset, .per_s = 100 * kRapidReset},
      {.burst = 100, .per_s = 10},
      {.burst = 20, .per_s = 2},
      {.burst = 200, .per_s = 20},
      {.burst = 2000, .per_s = 500},
      {.burst = 500, .per_s = 50},
      {.burst = 500, .per_s = 50},
      {.burst = 500, .per_s = 50},
  }};

  explicit FloodGuard(BootNs now) {
    for (std::size_t i = 0; i < kGuarded; ++i) left_[i] = kAllowances[i].burst;
    filled_at_.fill(now);
  }

  // Notes so many of them. False when it was one too many.
  [[nodiscard]] bool Spend(FloodKind kind, BootNs now, uint32_t count = 1) {
    const auto i = static_cast<std::size_t>(kind);
    if (left_[i] < count) Fill(i, now);
    if (left_[i] < count) return false;
    left_[i] -= count;
    return true;
  }
  // For a call that began.
  void EarnCall() { Give(FloodKind::kWindowUpdate, 4); }
  // For a frame of an answer that was sent.
  void EarnFrame() {
    Give(FloodKind::kPing, 1);
    Give(FloodKind::kWindowUpdate, 4);
  }
  // For its last one; `early` where the client had not said all by then.
  void EarnEnd(bool early) {
    Give(FloodKind::kReset, kRapidReset);
    if (early) Give(FloodKind::kVoid, kWindowReads);
  }

 private:
  // In how many reads, of the smallest, the window of a stream comes.
  static constexpr uint32_t kWindowReads = 65'536 / h2_limits::kLeastReadBytes;
  static constexpr BootNs kSecondNs = 1'000'000'000;

  void Give(FloodKind kind, uint32_t count) {
    const auto i = static_cast<std::size_t>(kind);
    left_[i] = std::min(left_[i] + count, kAllowances[i].burst);
  }
  // Adds what time has given since it last did.
  void Fill(std::size_t i, BootNs now) {
    const Allowance& allowance = kAllowances[i];
    const BootNs each = kSecondNs / allowance.per_s;
    const BootNs earned = (now - filled_at_[i]) / each;
    left_[i] = static_cast<uint32_t>(std::min<BootNs>(left_[i] + earned, allowance.burst));
    filled_at_[i] = earned > allowance.burst ? now : filled_at_[i] + (earned * each);
  }

  std::array<uint32_t, kGuarded> left_;
  std::array<BootNs, kGuarded> filled_at_;
};

}  // namespace objpool::rpc
