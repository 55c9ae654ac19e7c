// Keeper: leases handles as Grants, renews all of them from one thread, and gives them back.
//
// A grant is renewed when half of its time is left, so that there is time for more attempts before
// a third is; those of a pool that are due go out together, at most kMaxBatch in a call and
// kMaxCalls calls at once, without waiting for each other. A renewal that fails for now is repeated
// with pauses until the grant's end. What the server says is over is lost at once.
//
// Threads:
// - All methods may be called by any number of threads at once.
// - The Keeper has one thread of its own. `on_lost` is called by it, one call at a time, without a
//   lock held; it may use and destroy grants, this one included, but not the Keeper. It should be
//   short: while it runs, nothing is renewed.
// - Answers come on threads of gRPC's, which only note them.
// - All Grants must be gone before their Keeper, and the Keeper before its Client. Its destructor
//   waits for handles that are on their way back, for at most two time limits of a call.
// - Not usable in the child of a fork: the thread stays with the parent. A child must not even
//   destroy what it inherited; it leaves by _exit or exec.
//
// Bounded: max_grants, those on their way back included.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "client/client.h"
#include "client/grant.h"
#include "client/lease_clock.h"

namespace objpool::client {

// Told once for each grant that ends before its owner gave it back. The error is the server's, or
// of code DEADLINE_EXCEEDED where it was not renewed in time.
using OnLost = std::function<void(const Ref& ref, const Error& why)>;

struct KeeperOptions {
  // Range: 1 and more.
  std::size_t max_grants = std::size_t{1} << 20;
  // Between attempts to renew or to give back; max_attempts does not count here.
  RetryOptions retry{};
};

class Keeper {
 public:
  explicit Keeper(const Client& client, KeeperOptions options = {});
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // As Client::Lease: 1 .. count grants, or an error. They are renewed for request.ttl again and
  // again, or for the pool's default.
  [[nodiscard]] Result<std::vector<Grant>> Lease(const v1::LeaseRequest& request,
                                                 const OnLost& on_lost = {});
  // One handle of a pool.
  [[nodiscard]] Result<Grant> LeaseOne(std::string_view pool, const OnLost& on_lost = {});

  // How many it renews or gives back.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] const Client& client() const { return client_; }

 private:
  friend class Grant;
  using Time = LeaseClock::time_point;
  using Lock = std::unique_lock<std::mutex>;
  using Batch = std::vector<Kept*>;
  struct BySoonest;
  static constexpr int kMaxCalls = 4;

  // The grants of an answer; of those that waited long, renewed first.
  [[nodiscard]] Result<std::vector<Grant>> Keep(const v1::LeaseRequest& request,
                                                Result<v1::LeaseResponse> leased,
                                                const OnLost& on_lost);
  [[nodiscard]] Grant Add(const Ref& ref, const v1::Grant& value, const OnLost& on_lost,
                          Milliseconds ttl, Milliseconds given, Time sent);
  // What a Grant does: gives up what it has, and likewise with waiting for the answer.
  void Release(Kept& kept);
  [[nodiscard]] Error ReturnNow(Kept& kept);

  void Run();
  // Each does one piece of work. False: there is none.
  [[nodiscard]] bool TellLost(Lock& lock);
  [[nodiscard]] bool Expire(Time now);
  [[nodiscard]] bool StartRenewal(Lock& lock, Time now);
  [[nodiscard]] bool StartReturn(Lock& lock, Time now);
  void AwaitWork(Lock& lock, Time now);
  [[nodiscard]] Batch TakeDue(Time now);
  [[nodiscard]] Batch TakeReturns(Time now);
  // The end of these calls, on threads of gRPC's.
  void Renewed(const Batch& batch, const BatchResult& result);
  void Returned(const Batch& batch, const BatchResult& result);
  void NoteRenewal(Kept& kept, const Error& error, const BatchResult& result, Time now);

  void AwaitTold(Lock& lock, const Kept& kept);
  void Lose(Kept& kept, const Error& why);
  void Unschedule(Kept& kept);
  void QueueReturn(Kept& kept);
  void Drop(Kept& kept);

  const Client& client_;
  const KeeperOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;   // the thread has work
  std::condition_variable quiet_;  // a call has ended, or one of on_lost
  bool stop_ = false;
  bool unreachable_ = false;  // the last call found no connection
  std::size_t promised_ = 0;  // to leases on their way
  // Everything that there is, whoever has it now.
  std::unordered_map<const Kept*, std::unique_ptr<Kept>> all_;
  std::unique_ptr<BySoonest> times_;
  std::deque<Kept*> returns_;    // on their way back, not in a call
  Time returns_not_before_{};    // after one that failed
  uint32_t failed_returns_ = 0;  // one after the other
  std::deque<Kept*> lost_;       // to be told
  const Kept* telling_ = nullptr;
  int renewals_ = 0;        // calls on their way
  bool returning_ = false;  // likewise
  std::thread thread_;      // the last member: it uses all others
};

}  // namespace objpool::client
