// Load: clients that lease, hold and return in closed loops, and what they saw.
//
// Each client is a thread that makes blocking calls on one of the connections, so a server that
// slows down is asked less often: the latencies are those of the calls made, not of a steady
// arrival. Nothing is left behind: a grant whose return failed is returned again, at the latest at
// the end.
//
// Threads: one thread calls the methods. The clients write their own cells only; what is documented
// as exact is so once Join has returned.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "client/ctl/commands.h"
#include "pool/base/cache_line.h"
#include "pool/base/counter.h"
#include "pool/base/log_histogram.h"

namespace objpool::client {

// What one client saw. Counters are of the whole run, warm-up and clearing up included.
struct alignas(base::kCacheLineBytes) LoadCell {
  base::Counter lease_ok;   // calls
  base::Counter return_ok;  // calls in which every handle came back
  base::Counter exhausted;  // lease calls
  base::Counter failed;     // calls; by kind in `errors`
  base::Counter leased;     // handles
  base::Counter returned;   // handles

  // Of the measured part: cycles that went well, and their latencies in nanoseconds.
  base::Counter cycles;
  base::Counter cycle_handles;
  base::LogHistogram lease_ns;
  base::LogHistogram return_ns;
  base::LogHistogram cycle_ns;  // both calls of a cycle, without the hold between them

  // To be read after Join.
  std::map<std::string, uint64_t> errors;
  std::optional<Error> first_error;  // or exhaustion
};

class Load {
 public:
  // `connections` must be reachable and outlive the load.
  Load(const BenchOptions& options, const std::vector<Client>& connections);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void Start();
  // Ends the warm-up. Before Start where there is none.
  void BeginMeasuring();
  // With a count: all cycles were tried. Otherwise never.
  [[nodiscard]] bool done() const { return running_.load(std::memory_order_acquire) == 0; }
  // Ends the measured part and tells the clients to finish. Once only.
  void Stop();
  // Waits for the clients, which end their calls and return what they hold.
  void Join();

  // From BeginMeasuring to Stop, or to the end of the last cycle.
  [[nodiscard]] std::chrono::nanoseconds measured() const;
  [[nodiscard]] const std::vector<std::unique_ptr<LoadCell>>& cells() const { return cells_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase : uint8_t { kWarmup, kMeasuring, kOver };

  // The body of one client.
  class Loop;

  const BenchOptions options_;
  const std::vector<Client>& connections_;
  std::vector<std::unique_ptr<LoadCell>> cells_;
  std::atomic<Phase> phase_{Phase::kWarmup};
  std::atomic<uint64_t> tickets_{0};  // cycles begun, with a count
  std::atomic<uint32_t> running_{0};
  std::atomic<Clock::rep> last_end_{0};
  Clock::time_point begin_;
  Clock::time_point end_;
  std::vector<std::jthread> threads_;
};

}  // namespace objpool::client
