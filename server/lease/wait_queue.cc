#include "server/lease/wait_queue.h"

#include <algorithm>

#include "pool/base/check.h"

namespace objpool::lease {

bool WaitQueue::Add(Waiter& waiter) {
  OBJPOOL_CHECK(waiter.priority < kPriorities && !waiter.queued_, "a waiter waits once");
  const auto find = [this](auto fits) { return std::find_if(kinds_.begin(), kinds_.end(), fits); };
  auto kind = find([&](const Kind& each) { return each.classes == waiter.classes; });
  if (kind == kinds_.end()) {
    kind = find([](const Kind& each) { return each.size == 0; });
    if (kind == kinds_.end()) {
      if (kinds_.size() == kMaxKinds) return false;
      kind = kinds_.insert(kinds_.end(), Kind());
    }
    kind->classes = waiter.classes;
  }
  Line& line = kind->lines[waiter.priority];
  waiter.before_ = line.last;
  waiter.behind_ = nullptr;
  (line.last == nullptr ? line.first : line.last->behind_) = &waiter;
  line.last = &waiter;
  waiter.number_ = next_number_++;
  waiter.queued_ = true;
  ++kind->size;
  ++size_;
  return true;
}

bool WaitQueue::Remove(Waiter& waiter) {
  if (!waiter.queued_) return false;
  const auto kind = std::find_if(kinds_.begin(), kinds_.end(),
                                 [&](const Kind& each) { return each.classes == waiter.classes; });
  OBJPOOL_CHECK(kind != kinds_.end(), "who waits is of a kind");
  Line& line = kind->lines[waiter.priority];
  (waiter.before_ == nullptr ? line.first : waiter.before_->behind_) = waiter.behind_;
  (waiter.behind_ == nullptr ? line.last : waiter.behind_->before_) = waiter.before_;
  waiter.queued_ = false;
  --kind->size;
  --size_;
  return true;
}

Waiter* WaitQueue::FirstOf(const Kind& kind) {
  for (auto line = kind.lines.rbegin(); line != kind.lines.rend(); ++line) {
    if (line->first != nullptr) return line->first;
  }
  return nullptr;
}

Waiter* WaitQueue::Next(ClassMask claimed) const {
  Waiter* next = nullptr;
  for (const Kind& kind : kinds_) {
    if (kind.size == 0 || (kind.classes & ~claimed) == 0) continue;
    Waiter* const first = FirstOf(kind);
    const bool ahead = next == nullptr || first->priority > next->priority ||
                       (first->priority == next->priority && first->number_ < next->number_);
    if (ahead) next = first;
  }
  return next;
}

ClassMask WaitQueue::wanted() const {
  ClassMask wanted = 0;
  for (const Kind& kind : kinds_) wanted |= kind.size == 0 ? 0 : kind.classes;
  return wanted;
}

BootMs WaitQueue::oldest() const {
  BootMs oldest = 0;
  for (const Kind& kind : kinds_) {
    for (const Line& line : kind.lines) {
      if (line.first == nullptr) continue;
      oldest = oldest == 0 ? line.first->since : std::min(oldest, line.first->since);
    }
  }
  return oldest;
}

}  // namespace objpool::lease
