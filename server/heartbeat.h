// Heartbeat: tells the service manager that all workers make turns, where it wants to hear that.
//
// It is told four times as often as it asks for, and only when each worker has made a turn since
// the last time: a worker that hangs ends the service, and its manager starts it again. Once the
// workers are about to end, it is told without looking at them, because a stop has a time limit.
// Threads: the one that owns it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace objpool::server {

class Heartbeat {
 public:
  using Clock = std::chrono::steady_clock;
  // How many turns each worker has made so far.
  using Turns = std::function<std::vector<uint64_t>()>;

  // Without `within` it never beats. `beat` tells.
  Heartbeat(std::optional<std::chrono::microseconds> within, Turns turns,
            std::function<void()> beat);

  // Beats if it is time to, and all is well.
  void Tick(Clock::time_point now);
  void LetWorkersEnd() { workers_end_ = true; }
  // How long a Tick may wait after another.
  [[nodiscard]] std::optional<std::chrono::microseconds> period() const { return period_; }

 private:
  std::optional<std::chrono::microseconds> period_;
  const Turns turns_;
  const std::function<void()> beat_;
  std::vector<uint64_t> seen_;  // by the last beat
  std::optional<Clock::time_point> last_;
  bool workers_end_ = false;
};

}  // namespace objpool::server
