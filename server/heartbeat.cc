#include "server/heartbeat.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace objpool::server {

Heartbeat::Heartbeat(std::optional<std::chrono::microseconds> within, Turns turns,
                     std::function<void()> beat)
    : turns_(std::move(turns)), beat_(std::move(beat)) {
  constexpr std::chrono::microseconds kShortest(1000);
  if (within) period_ = std::max(*within / 4, kShortest);
}

void Heartbeat::Tick(Clock::time_point now) {
  if (!period_ || (last_ && now - *last_ < *period_)) return;
  std::vector<uint64_t> turns = turns_();
  bool all = true;
  for (std::size_t i = 0; i < seen_.size(); ++i) all = all && turns[i] != seen_[i];
  if (!all && !workers_end_) return;
  seen_ = std::move(turns);
  last_ = now;
  beat_();
}

}  // namespace objpool::server
