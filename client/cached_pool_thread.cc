// A CachedPool's thread: leases ahead, sees to what is not fresh, gives back what is idle.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "client/cached_pool.h"

namespace objpool::client {
namespace {

// How often it looks at what is idle.
constexpr Milliseconds kTick{100};

}  // namespace

void CachedPool::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    std::vector<Grant> gone;
    PublishSuspension();
    LookAtIdle(gone);
    GiveBackIdle(gone);
    lock.unlock();
    gone.clear();  // without the lock: it may wait for on_lost
    LeaseAhead();
    lock.lock();
    (void)wake_.wait_for(lock, kTick, [&] { return stop_ || (low_ && failed_ahead_ == 0); });
  }
}

void CachedPool::PublishSuspension() {
  timespec time{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &time);
  const auto monotonic = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  // The first one was read earlier: the difference is too large by that, never too small.
  suspended_ns_.store((LeaseClock::now().time_since_epoch() - monotonic).count(),
                      std::memory_order_relaxed);
}

void CachedPool::LookAtIdle(std::vector<Grant>& gone) {
  std::erase_if(aside_, [&](Number number) {
    if (Fresh(number)) {
      idle_.push_front(number);
      return true;
    }
    if (slots_[number - 1].grant.valid()) return false;
    gone.push_back(Empty(number));
    return true;
  });
  std::erase_if(idle_, [&](Number number) {
    if (slots_[number - 1].grant.valid()) return false;
    gone.push_back(Empty(number));
    return true;
  });
}

void CachedPool::GiveBackIdle(std::vector<Grant>& gone) {
  const LeaseClock::time_point now = LeaseClock::now();
  if (now < next_look_) return;
  next_look_ = now + options_.idle_time;
  // Only what was there all the time since the last look.
  std::size_t surplus = least_idle_ - std::min<std::size_t>(least_idle_, options_.min_idle);
  for (surplus = std::min(surplus, idle_.size()); surplus != 0; --surplus) {
    gone.push_back(Empty(idle_.front()));
    idle_.pop_front();
  }
  // The cells of threads that did nothing meanwhile, or have ended.
  for (uint32_t place = 0; place < kPlaces; ++place) {
    const uint32_t uses = cells_.Uses(place);
    if (std::exchange(uses_[place], uses) != uses) continue;
    while (const Number number = cells_.Rob(place)) idle_.push_front(number);
  }
  least_idle_ = idle_.size();
}

void CachedPool::LeaseAhead() {
  const LeaseClock::time_point now = LeaseClock::now();
  if (now < next_ahead_) return;
  {
    const std::lock_guard lock(mutex_);
    low_ = idle_.size() < options_.min_idle;
    if (!low_ || free_.empty()) {
      low_ = false;
      return;
    }
  }
  const std::lock_guard fetching(fetch_mutex_);
  Error why;
  const Number number = Fetch(options_.batch, why);
  failed_ahead_ = why.ok() ? 0 : failed_ahead_ + 1;
  if (!why.ok()) {
    next_ahead_ = now + PauseAfter(failed_ahead_, why, {}, RandomNumber());
  }
  const std::lock_guard lock(mutex_);
  if (number != 0) idle_.push_back(number);
  low_ = false;
}

}  // namespace objpool::client
