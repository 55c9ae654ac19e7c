#include "server/store/group_commit.h"

#include <utility>

namespace objpool::store {

GroupCommit::GroupCommit(Hooks hooks) : hooks_(std::move(hooks)) {
  thread_ = std::thread([this] { Run(); });
}

GroupCommit::~GroupCommit() { Stop(); }

void GroupCommit::Stop() {
  {
    const std::scoped_lock lock(lock_);
    stopping_ = true;
  }
  wanted_.notify_one();
  if (thread_.joinable()) thread_.join();
}

uint64_t GroupCommit::Take() {
  uint64_t ticket = 0;
  {
    const std::scoped_lock lock(lock_);
    ticket = taken_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  wanted_.notify_one();
  return ticket;
}

GroupCommit::State GroupCommit::StateOf(uint64_t ticket) const {
  if (ticket <= done_.load(std::memory_order_acquire)) return State::kDone;
  return failed() ? State::kFailed : State::kPending;
}

std::string GroupCommit::why() const {
  const std::scoped_lock lock(lock_);
  return why_;
}

void GroupCommit::Run() {
  std::unique_lock lock(lock_);
  for (;;) {
    wanted_.wait(lock, [this] {
      return stopping_ || (!failed() && taken_.load(std::memory_order_relaxed) !=
                                            done_.load(std::memory_order_relaxed));
    });
    if (stopping_) return;
    const uint64_t upto = taken_.load(std::memory_order_acquire);
    lock.unlock();
    std::string why;
    const bool synced = hooks_.sync(why);
    lock.lock();
    syncs_.fetch_add(1, std::memory_order_relaxed);
    if (synced) {
      done_.store(upto, std::memory_order_release);
    } else {
      why_ = std::move(why);
      failed_.store(true, std::memory_order_release);
    }
    lock.unlock();
    hooks_.on_done();
    lock.lock();
  }
}

}  // namespace objpool::store
