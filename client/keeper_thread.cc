// The Keeper's thread: renews in time, tells of what is lost, sends back what was given up.
#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "client/keeper.h"
#include "client/kept.h"

namespace objpool::client {
namespace {

// The longest wait while there are grants. The condition variable's clock stops with the machine,
// LeaseClock does not: after a suspension, this is how late the thread may be.
constexpr Milliseconds kLongestWait{100};
// What is not due yet goes along in a batch when so much of its time has passed, in eighths of what
// is left to the first one.
constexpr int kEarly = 8;
// How many grants are looked at for one batch: those of other pools are passed over.
constexpr int kMaxLookedAt = 4 * static_cast<int>(kMaxBatch);
// Between two attempts to renew one grant.
constexpr Milliseconds kShortestPause{1};

std::vector<Ref> RefsOf(const std::vector<Kept*>& batch) {
  std::vector<Ref> refs;
  refs.reserve(batch.size());
  for (const Kept* kept : batch) refs.push_back(kept->ref);
  return refs;
}

}  // namespace

void Keeper::Run() {
  Lock lock(mutex_);
  while (!stop_) {
    const Time now = LeaseClock::now();
    if (TellLost(lock) || Expire(now) || StartRenewal(lock, now) || StartReturn(lock, now)) {
      continue;
    }
    AwaitWork(lock, now);
  }
}

bool Keeper::TellLost(Lock& lock) {
  if (lost_.empty()) return false;
  const Kept& kept = *lost_.front();
  lost_.pop_front();
  telling_ = &kept;
  // Copies, as its Grant may go meanwhile.
  const OnLost on_lost = kept.on_lost;
  const Ref ref = kept.ref;
  const Error why = kept.why;
  lock.unlock();
  on_lost(ref, why);
  lock.lock();
  telling_ = nullptr;
  quiet_.notify_all();
  return true;
}

bool Keeper::Expire(Time now) {
  if (times_->end.empty() || times_->end.begin()->first > now) return false;
  Error why;
  why.code = grpc::StatusCode::DEADLINE_EXCEEDED;
  why.origin = Error::Origin::kNoAnswer;
  why.message = "the grant was not renewed in time";
  Lose(*times_->end.begin()->second, why);
  return true;
}

void Keeper::Lose(Kept& kept, const Error& why) {
  kept.deadline.Lose();
  kept.state = Kept::State::kLost;
  kept.why = why;
  Unschedule(kept);
  if (kept.on_lost) lost_.push_back(&kept);
  wake_.notify_one();
}

Keeper::Batch Keeper::TakeDue(Time now) {
  Batch batch;
  if (times_->due.empty() || times_->due.begin()->first > now) return batch;
  const Kept& first = *times_->due.begin()->second;
  const Time until = now + (first.end - now) / kEarly;
  int looked_at = 0;
  for (const auto& [due, kept] : times_->due) {
    if (due > until || batch.size() == kMaxBatch || ++looked_at > kMaxLookedAt) break;
    if (kept->ref.pool == first.ref.pool && kept->ttl == first.ttl) batch.push_back(kept);
  }
  for (Kept* const kept : batch) {
    times_->MoveDue(*kept, Time());
    kept->in_renewal = true;
  }
  return batch;
}

bool Keeper::StartRenewal(Lock& lock, Time now) {
  if (renewals_ == kMaxCalls) return false;
  const Batch batch = TakeDue(now);
  if (batch.empty()) return false;
  ++renewals_;
  Time end = now + client_.options().timeout;
  // Half of what is left: one that gets no answer is not the last attempt.
  for (const Kept* kept : batch) end = std::min(end, now + (kept->end - now) / 2);
  const auto limit = std::chrono::ceil<Milliseconds>(end - now);
  const std::string pool = batch.front()->ref.pool;
  const Milliseconds ttl = batch.front()->ttl;
  const std::vector<Ref> refs = RefsOf(batch);
  lock.unlock();
  client_.StartRenew(pool, refs, ttl, limit,
                     [this, batch](const BatchResult& result) { Renewed(batch, result); });
  lock.lock();
  return true;
}

void Keeper::Renewed(const Batch& batch, const BatchResult& result) {
  const Lock lock(mutex_);
  const Time now = LeaseClock::now();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Kept& kept = *batch[i];
    kept.in_renewal = false;
    switch (kept.state) {
      case Kept::State::kHeld:
        NoteRenewal(kept, result.items[i].error, result, now);
        break;
      case Kept::State::kLost:
        break;
      case Kept::State::kReturn:
        if (!kept.in_return_now) QueueReturn(kept);
        break;
      case Kept::State::kGone:
        Drop(kept);
        break;
    }
  }
  --renewals_;
  wake_.notify_one();
  quiet_.notify_all();
}

void Keeper::NoteRenewal(Kept& kept, const Error& error, const BatchResult& result, Time now) {
  if (error.ok()) {
    kept.failed = 0;
    const Time end = result.sent + result.ttl;
    // What has passed meanwhile stays passed: Expire will find it.
    if (!kept.deadline.Move(end, now)) return;
    times_->MoveEnd(kept, end);
    times_->MoveDue(kept, result.sent + result.ttl / 2);
    return;
  }
  if (IsOver(error)) {
    Lose(kept, error);
    return;
  }
  unreachable_ = unreachable_ || error.origin == Error::Origin::kUnreachable;
  // The pool's longest TTL may be less now than it was.
  if (error.reason == "BAD_FIELD") kept.ttl = Milliseconds(0);
  const LeaseClock::duration pause =
      PauseAfter(++kept.failed, error, options_.retry, RandomNumber());
  // Whatever the server asks for, the last attempt must be in time.
  const LeaseClock::duration most =
      std::max<LeaseClock::duration>((kept.end - now) / 4, kShortestPause);
  times_->MoveDue(kept, now + std::clamp<LeaseClock::duration>(pause, kShortestPause, most));
}

Keeper::Batch Keeper::TakeReturns(Time now) {
  Batch batch;
  while (!returns_.empty() && batch.size() < kMaxBatch) {
    Kept& kept = *returns_.front();
    if (!kept.deadline.RunsAt(now)) {
      returns_.pop_front();
      Drop(kept);
      continue;
    }
    if (!batch.empty() && (kept.ref.pool != batch.front()->ref.pool ||
                           kept.disposition != batch.front()->disposition)) {
      break;
    }
    returns_.pop_front();
    batch.push_back(&kept);
  }
  return batch;
}

bool Keeper::StartReturn(Lock& lock, Time now) {
  if (returning_ || now < returns_not_before_) return false;
  const Batch batch = TakeReturns(now);
  if (batch.empty()) return false;
  returning_ = true;
  const std::string pool = batch.front()->ref.pool;
  const v1::Disposition disposition = batch.front()->disposition;
  const std::vector<Ref> refs = RefsOf(batch);
  lock.unlock();
  client_.StartReturn(pool, refs, disposition, client_.options().timeout,
                      [this, batch](const BatchResult& result) { Returned(batch, result); });
  lock.lock();
  return true;
}

void Keeper::Returned(const Batch& batch, const BatchResult& result) {
  const Lock lock(mutex_);
  const Error* failure = nullptr;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Error& error = result.items[i].error;
    if (error.ok() || IsOver(error)) {
      Drop(*batch[i]);
    } else {
      failure = &error;
      returns_.push_back(batch[i]);
    }
  }
  failed_returns_ = failure == nullptr ? 0 : failed_returns_ + 1;
  if (failure != nullptr) {
    unreachable_ = unreachable_ || failure->origin == Error::Origin::kUnreachable;
    returns_not_before_ =
        LeaseClock::now() + PauseAfter(failed_returns_, *failure, options_.retry, RandomNumber());
  }
  returning_ = false;
  wake_.notify_one();
  quiet_.notify_all();
}

void Keeper::AwaitWork(Lock& lock, Time now) {
  quiet_.notify_all();
  if (all_.empty()) {
    wake_.wait(lock);
    return;
  }
  LeaseClock::duration wait = kLongestWait;
  if (!times_->end.empty()) wait = std::min(wait, times_->end.begin()->first - now);
  if (!times_->due.empty() && renewals_ < kMaxCalls) {
    wait = std::min(wait, times_->due.begin()->first - now);
  }
  if (!returns_.empty() && !returning_) wait = std::min(wait, returns_not_before_ - now);
  wait = std::max<LeaseClock::duration>(wait, LeaseClock::duration(0));
  if (!unreachable_) {
    (void)wake_.wait_for(lock, wait);
    return;
  }
  // Between calls nobody works on the connection.
  lock.unlock();
  const bool connected = client_.Connect(std::chrono::ceil<Milliseconds>(wait));
  lock.lock();
  if (connected) unreachable_ = false;
}

}  // namespace objpool::client
