// What those who hold grants call: lease, give up, give back. The thread is in keeper_thread.cc.
#include "client/keeper.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "client/kept.h"
#include "pool/base/check.h"

namespace objpool::client {

Keeper::Keeper(const Client& client, KeeperOptions options)
    : client_(client),
      options_(options),
      times_(std::make_unique<BySoonest>()),
      thread_([this] { Run(); }) {}

Keeper::~Keeper() {
  Lock lock(mutex_);
  for (const auto& [key, kept] : all_) {
    OBJPOOL_CHECK(kept->state == Kept::State::kReturn || kept->state == Kept::State::kGone,
                  "a Grant outlives its Keeper");
  }
  wake_.notify_all();
  (void)quiet_.wait_for(lock, client_.options().timeout, [&] { return all_.empty(); });
  stop_ = true;
  wake_.notify_all();
  lock.unlock();
  thread_.join();
  lock.lock();
  // Each ends within its own time limit.
  quiet_.wait(lock, [&] { return renewals_ == 0 && !returning_; });
}

std::size_t Keeper::size() const {
  const std::lock_guard lock(mutex_);
  return all_.size();
}

Result<Grant> Keeper::LeaseOne(std::string_view pool, const OnLost& on_lost) {
  v1::LeaseRequest request;
  request.set_pool(std::string(pool));
  Result<std::vector<Grant>> leased = Lease(request, on_lost);
  Result<Grant> one{.value = {}, .error = std::move(leased.error), .sent = leased.sent};
  if (one.ok()) one.value = std::move(leased.value.front());
  return one;
}

Result<std::vector<Grant>> Keeper::Lease(const v1::LeaseRequest& request, const OnLost& on_lost) {
  const std::size_t count = std::clamp(request.count(), 1u, kMaxBatch);
  {
    const std::lock_guard lock(mutex_);
    if (all_.size() + promised_ + count > options_.max_grants) {
      Error error;
      error.code = grpc::StatusCode::RESOURCE_EXHAUSTED;
      error.message = "the keeper has " + std::to_string(all_.size()) + " of at most " +
                      std::to_string(options_.max_grants) + " grants";
      return {.value = {}, .error = std::move(error)};
    }
    promised_ += count;
  }
  Result<std::vector<Grant>> result = Keep(request, client_.Lease(request), on_lost);
  const std::lock_guard lock(mutex_);
  promised_ -= count;
  return result;
}

Result<std::vector<Grant>> Keeper::Keep(const v1::LeaseRequest& request,
                                        Result<v1::LeaseResponse> leased, const OnLost& on_lost) {
  Result<std::vector<Grant>> result{
      .value = {}, .error = std::move(leased.error), .sent = leased.sent};
  if (!result.ok()) return result;
  const Milliseconds ttl = DurationOf(request.ttl());
  const Milliseconds given = DurationOf(leased.value.ttl());
  std::vector<Ref> refs;
  for (const v1::Grant& grant : leased.value.grants()) {
    refs.push_back(RefOf(request.pool(), grant.ref()));
  }
  // Nobody here knows when the server served a call that waited. A renewal says a later time.
  BatchResult renewed;
  if (LeaseClock::now() - leased.sent > given / 3) {
    renewed = client_.Renew(BarePool(request.pool()), refs, ttl);
  }
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const Error error = renewed.items.empty() ? Error() : renewed.items[i].error;
    if (IsOver(error)) {
      result.error = error;
      continue;
    }
    const bool later = !renewed.items.empty() && error.ok();
    result.value.push_back(Add(refs[i], leased.value.grants(static_cast<int>(i)), on_lost, ttl,
                               later ? renewed.ttl : given, later ? renewed.sent : leased.sent));
  }
  if (!result.value.empty()) {
    result.error = {};
  } else if (result.ok()) {
    result.error.code = grpc::StatusCode::INTERNAL;
    result.error.message = "the server's answer has no grants";
  }
  return result;
}

Grant Keeper::Add(const Ref& ref, const v1::Grant& value, const OnLost& on_lost, Milliseconds ttl,
                  Milliseconds given, Time sent) {
  auto kept = std::make_unique<Kept>(ref, value, on_lost, ttl, sent + given);
  Kept& added = *kept;
  const std::lock_guard lock(mutex_);
  times_->MoveDue(added, sent + given / 2);
  times_->MoveEnd(added, sent + given);
  all_.emplace(&added, std::move(kept));
  wake_.notify_one();
  return {*this, added};
}

void Keeper::AwaitTold(Lock& lock, const Kept& kept) {
  if (std::this_thread::get_id() == thread_.get_id()) return;
  quiet_.wait(lock, [&] { return telling_ != &kept; });
}

void Keeper::Release(Kept& kept) {
  Lock lock(mutex_);
  AwaitTold(lock, kept);
  const bool runs = kept.state == Kept::State::kHeld && kept.deadline.RunsAt(LeaseClock::now());
  std::erase(lost_, &kept);
  Unschedule(kept);
  kept.state = runs ? Kept::State::kReturn : Kept::State::kGone;
  if (kept.in_renewal) return;
  if (runs) {
    QueueReturn(kept);
  } else {
    Drop(kept);
  }
}

Error Keeper::ReturnNow(Kept& kept) {
  {
    Lock lock(mutex_);
    AwaitTold(lock, kept);
    if (kept.state == Kept::State::kLost) {
      Error why = kept.why;
      lock.unlock();
      Release(kept);
      return why;
    }
    Unschedule(kept);
    kept.state = Kept::State::kReturn;
    kept.in_return_now = true;
  }
  Error error = client_.Return(kept.ref.pool, {&kept.ref, 1}, kept.disposition).items[0].error;
  const std::lock_guard lock(mutex_);
  kept.in_return_now = false;
  const bool done = error.ok() || IsOver(error);
  if (done) kept.state = Kept::State::kGone;
  if (!kept.in_renewal) {
    if (done) {
      Drop(kept);
    } else {
      QueueReturn(kept);
    }
  }
  return error;
}

void Keeper::Unschedule(Kept& kept) {
  times_->MoveDue(kept, Time());
  times_->MoveEnd(kept, Time());
}

void Keeper::QueueReturn(Kept& kept) {
  returns_.push_back(&kept);
  wake_.notify_one();
}

void Keeper::Drop(Kept& kept) { all_.erase(&kept); }

}  // namespace objpool::client
