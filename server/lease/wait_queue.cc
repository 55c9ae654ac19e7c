#include "server/lease/wait_queue.h"

#include <algorithm>

#include "pool/base/check.h"

namespace objpool::lease {

void WaitQueue::Add(Waiter& waiter) {
  OBJPOOL_CHECK(waiter.priority < kPriorities && !waiter.queued_, "a waiter waits once");
  Line& line = lines_[waiter.priority];
  waiter.before_ = line.last;
  waiter.behind_ = nullptr;
  (line.last == nullptr ? line.first : line.last->behind_) = &waiter;
  line.last = &waiter;
  waiter.queued_ = true;
  ++size_;
}

bool WaitQueue::Remove(Waiter& waiter) {
  if (!waiter.queued_) return false;
  Line& line = lines_[waiter.priority];
  (waiter.before_ == nullptr ? line.first : waiter.before_->behind_) = waiter.behind_;
  (waiter.behind_ == nullptr ? line.last : waiter.behind_->before_) = waiter.before_;
  waiter.queued_ = false;
  --size_;
  return true;
}

Waiter* WaitQueue::front() const {
  for (auto line = lines_.rbegin(); line != lines_.rend(); ++line) {
    if (line->first != nullptr) return line->first;
  }
  return nullptr;
}

BootMs WaitQueue::oldest() const {
  BootMs oldest = 0;
  for (const Line& line : lines_) {
    if (line.first == nullptr) continue;
    oldest = oldest == 0 ? line.first->since : std::min(oldest, line.first->since);
  }
  return oldest;
}

}  // namespace objpool::lease
