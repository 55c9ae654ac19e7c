#include "server/service/lease_waiting.h"

#include <array>
#include <span>
#include <utility>

#include "server/service/errors.h"
#include "server/service/fields.h"

namespace objpool::server {
namespace {

// How often a worker looks whether its waiting calls still want to.
constexpr lease::BootMs kLookEveryMs = 5;

class UnaryAsker final : public LeaseAsker {
 public:
  UnaryAsker(rpc::UnaryCall& call, DiskAnswers& disk) : call_(call), disk_(disk) {}
  [[nodiscard]] bool cancelled() const override { return call_.cancelled(); }
  void Cancelled() override {
    call_.Finish({rpc::Code::kCancelled, "cancelled while it waited", {}});
  }
  void Served(const NamedPool& pool, const lease::Waiter& waiter) override {
    v1::LeaseResponse reply;
    FillLeaseResponse(pool, waiter.grants, waiter.ttl_ms, reply);
    if (const uint64_t ticket = disk_.TicketFor(pool); ticket != 0) {
      disk_.Hold(call_, ticket, reply.SerializeAsString());
    } else {
      FinishWith(call_, reply);
    }
  }
  void Refused(const google::rpc::Status& error) override { call_.Finish(ToCallStatus(error)); }

 private:
  rpc::UnaryCall& call_;
  DiskAnswers& disk_;
};

std::unique_ptr<LeaseAsker> AskerOf(const CallInfo& info, DiskAnswers& disk) {
  if (info.asker != nullptr) return std::move(*info.asker);
  return std::make_unique<UnaryAsker>(*info.call, disk);
}

}  // namespace

struct LeaseWaiting::Call : lease::Waiter {
  Call(const CallInfo& info, DiskAnswers& disk, lease::BootMs until, Wish wish)
      : lease::Waiter(std::move(wish.waiter)),
        asker(AskerOf(info, disk)),
        worker(info.worker),
        peer(info.call != nullptr ? info.call->peer() : std::string(info.peer)),
        pool(wish.pool),
        max_wait_ms(wish.max_wait_ms),
        request(wish.request),
        give_up_at(until) {}

  const std::unique_ptr<LeaseAsker> asker;
  const uint32_t worker;
  const std::string peer;
  NamedPool& pool;
  const uint64_t max_wait_ms;
  const std::optional<lease::RequestHash> request;
  const lease::BootMs give_up_at;
  std::size_t place = 0;  // in its desk
};

LeaseWaiting::LeaseWaiting(uint32_t workers, std::function<void(uint32_t)> wake,
                           lease::RequestMemory& requests)
    : desks_(workers), wake_(std::move(wake)), requests_(requests) {}

LeaseWaiting::~LeaseWaiting() = default;

bool LeaseWaiting::Begin(const CallInfo& info, Wish wish) {
  Desk& desk = desks_[info.worker];
  if (desk.calls.size() >= kMaxPerWorker) return false;
  const lease::BootMs until = info.now + wish.max_wait_ms;
  desk.calls.push_back(std::make_unique<Call>(info, *disk_, until, std::move(wish)));
  Call& waiting = *desk.calls.back();
  waiting.place = desk.calls.size() - 1;
  if (waiting.pool.leases->Wait(info.worker, waiting, info.now)) {
    Deliver(desk, info.worker, info.now);
    return true;
  }
  (void)Remove(desk, waiting);
  return false;
}

void LeaseWaiting::OnServed(lease::Waiter& waiter) {
  auto& call = static_cast<Call&>(waiter);
  const uint32_t worker = call.worker;  // the call may be over once the lock is gone
  Desk& desk = desks_[worker];
  {
    const std::scoped_lock lock(desk.lock);
    desk.inbox.push_back(&call);
    desk.has_mail.store(true, std::memory_order_release);
  }
  wake_(worker);
}

void LeaseWaiting::Turn(uint32_t worker, lease::BootMs now, bool shutting_down) {
  Desk& desk = desks_[worker];
  Deliver(desk, worker, now);
  if (desk.calls.empty() || (now < desk.next_look_at && !shutting_down)) return;
  desk.next_look_at = now + kLookEveryMs;
  GiveUp(desk, worker, now, shutting_down);
}

Gate::Ask LeaseWaiting::AskOf(const Call& call) {
  return {.method = settings::Method::kLease, .pool = call.pool.spec.name};
}

bool LeaseWaiting::MayWait(const Call& call, uint32_t worker) const {
  return gate_->Allows({.worker = worker, .now = {}, .peer = call.peer}, AskOf(call));
}

// The next one with its id begins anew.
void LeaseWaiting::Forget(const Call& call) {
  if (call.request) requests_.Forget(*call.request);
}

std::unique_ptr<LeaseWaiting::Call> LeaseWaiting::Remove(Desk& desk, Call& call) {
  const std::size_t place = call.place;
  std::unique_ptr<Call> removed = std::exchange(desk.calls[place], nullptr);
  std::swap(desk.calls[place], desk.calls.back());
  desk.calls.pop_back();
  if (place < desk.calls.size()) desk.calls[place]->place = place;
  return removed;
}

void LeaseWaiting::Deliver(Desk& desk, uint32_t worker, lease::BootMs now) {
  // A call that is not there any more gives back what it got, which may serve the next.
  while (desk.has_mail.load(std::memory_order_acquire)) {
    std::vector<Call*> served;
    {
      const std::scoped_lock lock(desk.lock);
      served.swap(desk.inbox);
      desk.has_mail.store(false, std::memory_order_relaxed);
    }
    for (Call* const each : served) {
      const std::unique_ptr<Call> call = Remove(desk, *each);
      if (call->asker->cancelled()) {
        std::array<lease::Verdict, lease::kMaxBatch> verdicts;
        std::array<lease::Disposition, lease::kMaxBatch> as;
        as.fill(lease::Disposition::kAbandoned);
        const std::size_t count = call->grants.size();
        call->pool.leases->Return(worker, call->grants, now, std::span(verdicts).first(count),
                                  std::span(as).first(count));
        Forget(*call);
        call->asker->Cancelled();
        continue;
      }
      if (call->request) {
        requests_.Answer(*call->request, call->grants, call->served_at + call->ttl_ms + 1);
      }
      call->asker->Served(call->pool, *call);
    }
  }
}

void LeaseWaiting::GiveUp(Desk& desk, uint32_t worker, lease::BootMs now, bool shutting_down) {
  const uint64_t policy = gate_ == nullptr ? 0 : gate_->epoch();
  const bool another_policy = std::exchange(desk.policy, policy) != policy;
  // Backwards: what is removed is replaced by one that was looked at already.
  for (std::size_t i = desk.calls.size(); i > 0; --i) {
    Call& call = *desk.calls[i - 1];
    const bool cancelled = call.asker->cancelled();
    const bool draining = call.pool.leases->draining();
    const bool allowed = !another_policy || MayWait(call, worker);
    if (!cancelled && !shutting_down && !draining && allowed && now < call.give_up_at) continue;
    if (!call.pool.leases->StopWaiting(worker, call, now)) continue;  // its answer is in the inbox
    const std::unique_ptr<Call> removed = Remove(desk, call);
    Forget(*removed);
    if (cancelled) {
      removed->asker->Cancelled();
    } else if (shutting_down) {
      removed->asker->Refused(ShuttingDown());
    } else if (draining) {
      removed->asker->Refused(PoolDraining(removed->pool.spec.name));
    } else if (!allowed) {
      CallInfo info{.worker = worker, .now = now, .peer = removed->peer};
      const auto refusal = gate_->Enter(info, AskOf(*removed));  // counted and written down
      // Where the next policy allows it again already, it may come again.
      removed->asker->Refused(refusal ? *refusal
                                      : Overloaded(removed->pool.spec.name, kLookEveryMs));
    } else {
      removed->asker->Refused(
          WaitedTooLong(removed->pool.spec.name, removed->min_count, removed->max_wait_ms));
    }
  }
}

void FillLeaseResponse(const NamedPool& pool, std::span<const lease::GrantRef> refs,
                       uint64_t ttl_ms, v1::LeaseResponse& reply) {
  for (const lease::GrantRef& ref : refs) {
    v1::Grant* const grant = reply.add_grants();
    grant->mutable_ref()->set_handle(ref.handle);
    grant->mutable_ref()->set_fence(ref.fence);
    grant->mutable_ref()->set_key(ref.key);
    SetValue(pool, static_cast<uint32_t>(ref.handle), *grant);
  }
  SetDuration(ttl_ms, *reply.mutable_ttl());
  SetTimeFromNow(ttl_ms, *reply.mutable_expire_time());
}

}  // namespace objpool::server
