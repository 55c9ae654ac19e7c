// LeaseWaiting: calls of Lease that are answered when somebody returns a handle, or too late.
//
// A call lives on its worker, so each worker has a list of those that wait. Whoever serves one, on
// any worker, puts it into the inbox of the call's worker and wakes that; everything else is done
// there, in Turn.
//
// Threads: Begin and Turn by the worker; OnServed by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "objpool/v1/lease_service.pb.h"
#include "pool/base/cache_line.h"
#include "server/lease/request_memory.h"
#include "server/service/lease_asker.h"
#include "server/service/pool_set.h"
#include "server/service/typed_handler.h"

namespace objpool::server {

class LeaseWaiting {
 public:
  // Waiting calls of one worker: fewer than its calls, so that there is always room to renew and
  // return.
  static constexpr std::size_t kMaxPerWorker = 3072;

  // `wake` makes a worker take its next turn soon. `requests` must outlive the object.
  LeaseWaiting(uint32_t workers, std::function<void(uint32_t worker)> wake,
               lease::RequestMemory& requests);
  ~LeaseWaiting();

  // Before the first Begin. It must outlive the object.
  void AnswerBy(DiskAnswers& disk) { disk_ = &disk; }
  // Likewise: who may not lease any more, by a policy that came meanwhile, stops waiting. Without
  // it, nobody looks.
  void GuardBy(Gate& gate) { gate_ = &gate; }

  // What a call waits for. `waiter` is filled in but for its place in the queue.
  struct Wish {
    NamedPool& pool;
    lease::Waiter waiter;
    uint64_t max_wait_ms = 0;
    std::optional<lease::RequestHash> request;  // pending in `requests`
  };
  // Takes the call, or who asks, over; it may be answered already when this returns. False when too
  // many wait.
  [[nodiscard]] bool Begin(const CallInfo& info, Wish wish);
  // The hook of LeasePool.
  void OnServed(lease::Waiter& waiter);
  // Answers calls that were served, were cancelled, have waited long enough, or may wait no more;
  // all of them when `shutting_down`.
  void Turn(uint32_t worker, lease::BootMs now, bool shutting_down);

 private:
  struct Call;
  struct alignas(base::kCacheLineBytes) Desk {
    // The worker's own.
    std::vector<std::unique_ptr<Call>> calls;
    lease::BootMs next_look_at = 0;
    uint64_t policy = 0;  // the one that they were looked at by: Gate::epoch
    // Anybody's.
    std::atomic<bool> has_mail{false};
    std::mutex lock;
    std::vector<Call*> inbox;
  };

  void Deliver(Desk& desk, uint32_t worker, lease::BootMs now);
  void GiveUp(Desk& desk, uint32_t worker, lease::BootMs now, bool shutting_down);
  [[nodiscard]] static Gate::Ask AskOf(const Call& call);
  [[nodiscard]] bool MayWait(const Call& call, uint32_t worker) const;
  void Forget(const Call& call);
  static std::unique_ptr<Call> Remove(Desk& desk, Call& call);

  std::vector<Desk> desks_;
  const std::function<void(uint32_t worker)> wake_;
  lease::RequestMemory& requests_;
  DiskAnswers* disk_ = nullptr;
  Gate* gate_ = nullptr;
};

// The reply to a Lease that was given these.
void FillLeaseResponse(const NamedPool& pool, std::span<const lease::GrantRef> refs,
                       uint64_t ttl_ms, v1::LeaseResponse& reply);

}  // namespace objpool::server
