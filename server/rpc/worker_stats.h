// What one worker counts of its calls and of itself. Written by the worker alone, read by the
// collector.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pool/base/cache_line.h"
#include "pool/base/counter.h"
#include "pool/base/histogram.h"
#include "server/rpc/boot_clock.h"
#include "server/rpc/connection_stats.h"
#include "server/rpc/status.h"
#include "server/rpc/tls_stats.h"

namespace objpool::rpc {

// Bounds in nanoseconds: from what a busy worker takes to what only a fault takes.
inline constexpr std::array<uint64_t, 16> kLatencyBounds = {
    5'000,   10'000,  15'000,  20'000,    30'000,    50'000,     75'000,      100'000,
    150'000, 250'000, 500'000, 1'000'000, 2'500'000, 10'000'000, 100'000'000, 1'000'000'000};

// Bounds in nanoseconds, from the timer's grain up.
inline constexpr std::array<uint64_t, 9> kPollDelayBounds = {
    1'000'000,  2'000'000,   5'000'000,   10'000'000,   20'000'000,
    50'000'000, 100'000'000, 500'000'000, 1'000'000'000};

// One method on one worker.
struct RpcCell {
  base::Counter started;
  std::array<base::Counter, kCodes> handled;
  // From the arrival at the worker to the handing over of the answer.
  base::Histogram<kLatencyBounds.size()> latency{kLatencyBounds};
};

struct alignas(base::kCacheLineBytes) WorkerStats {
  // One for each method of the table, and a last one for all unknown methods.
  explicit WorkerStats(std::size_t methods) : rpcs(methods + 1) {}
  [[nodiscard]] RpcCell& at(std::size_t method) {
    return rpcs[method < rpcs.size() ? method : rpcs.size() - 1];
  }

  std::vector<RpcCell> rpcs;
  base::Counter turns;    // events taken up, and waits that ended without one
  base::Counter busy_ns;  // time not spent waiting
  // How late the turn came that was due: one is, every 20 ms.
  base::Histogram<kPollDelayBounds.size()> poll_delay{kPollDelayBounds};
  std::atomic<BootNs> turned_at{0};  // when the last turn began, or the loop; 0 before
  std::atomic<uint64_t> calls_under_way{0};
  ConnectionStats connections;
  TlsStats tls;
  std::atomic<bool> pinned{false};
};

}  // namespace objpool::rpc
