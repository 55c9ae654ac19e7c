// Session: grants that live as long as this process does. If it dies, the server gives them back
// after `linger`; while it lives, heartbeats renew all of them.
//
// Operations are pipelined on one stream: none waits for another's answer. When the connection
// breaks, or says nothing for a third of the time that there is, the session goes on over a new
// one, and what was not answered is sent again; a Lease carries a request_id, so that it gets what
// it got. That is tried for as long as `linger` from when the last operation that was answered was
// sent. Then, or when the server says that the session has ended (its restart ends all), the
// session is over for good, and whatever it leased must not be used any more.
//
// What a holder may rely on: held_until(), for all grants of the session that no notice has named.
// It counts from when heartbeats and leases were sent. As a heartbeat that is answered late says
// that nobody else had the grants meanwhile, it may move on after it has passed.
//
// Threads: all methods may be called by any number at once. The session has two threads, one that
// sends and one that reads. Callbacks are made by these, one at a time and without a lock held, or
// by whoever starts what is refused at once. They must not block, use a blocking method of their
// session or destroy it; they may start operations. Not usable in the child of a fork: its threads
// stay with the parent, and so does the session.
//
// Bounded: kMaxPending operations without an answer, of which kMaxWaiting are leases that wait;
// beyond, they fail at once with RESOURCE_EXHAUSTED. A server remembers a million request_ids, each
// for the time of its lease: many sessions that lease and return thousands of times a second want
// short times, which heartbeats renew anyway, or a CachedPool.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "client/client.h"
#include "client/lease_clock.h"

namespace objpool::client {

struct SessionOptions {
  // How long the session lives on without a stream. Range: 100 ms .. 5 min.
  Milliseconds linger{10'000};
  // Of its leases that name none.
  std::string holder{};
  // What the server tells without being asked (v1::SessionNoticeKind): a grant expires soon, or has
  // ended, or the server shuts down. What heartbeats have lost comes here too, as ENDED.
  std::function<void(const v1::SessionNotice& notice)> on_notice{};
  // Told once, when the session is over without Close.
  std::function<void(const Error& why)> on_lost{};
};

class Session {
 public:
  static constexpr std::size_t kMaxPending = 16384;
  // As many as the server lets wait.
  static constexpr std::size_t kMaxWaiting = 256;

  // Opens one; the time limit is that of `server`. Nothing, and why, where that fails.
  [[nodiscard]] static std::unique_ptr<Session> Start(const ClientOptions& server,
                                                      SessionOptions options, Error& why);
  // Closes it.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // As those of Client, on the stream. They wait for the answer, or for the end of the session: a
  // broken connection only makes them late.
  [[nodiscard]] Result<v1::LeaseResponse> Lease(const v1::LeaseRequest& request);
  [[nodiscard]] BatchResult Return(std::string_view pool, std::span<const Ref> refs,
                                   v1::Disposition disposition = v1::DISPOSITION_CLEAN);
  [[nodiscard]] BatchResult Renew(std::string_view pool, std::span<const Ref> refs,
                                  Milliseconds ttl);
  // Makes grants that were leased elsewhere the session's, and renews them for `ttl` (0: the pool's
  // default). The items say which of them it has now.
  [[nodiscard]] BatchResult Attach(std::string_view pool, std::span<const Ref> refs,
                                   Milliseconds ttl);
  // Returns all that the session has, which goes on. The value is how many there were.
  [[nodiscard]] Result<uint32_t> ReturnAll();
  // Likewise, without waiting. `done` is called once; at once where it is refused here.
  using LeaseDone = std::function<void(const Result<v1::LeaseResponse>& result)>;
  using BatchDone = Client::BatchDone;
  void StartLease(const v1::LeaseRequest& request, LeaseDone done);
  void StartReturn(std::string_view pool, std::span<const Ref> refs, v1::Disposition disposition,
                   BatchDone done);
  void StartRenew(std::string_view pool, std::span<const Ref> refs, Milliseconds ttl,
                  BatchDone done);
  void StartAttach(std::string_view pool, std::span<const Ref> refs, Milliseconds ttl,
                   BatchDone done);
  void StartReturnAll(std::function<void(const Result<uint32_t>& result)> done);

  // Says goodbye, which returns all grants, and waits for that, for the time limit of a call. What
  // is still without an answer fails with CANCELLED. Without an answer the server returns them
  // after `linger`.
  void Close();

  [[nodiscard]] LeaseClock::time_point held_until() const;
  [[nodiscard]] bool valid() const { return LeaseClock::now() < held_until(); }
  // How many streams it has had.
  [[nodiscard]] uint64_t streams() const;

 private:
  using Time = LeaseClock::time_point;
  using Lock = std::unique_lock<std::mutex>;
  using Answered =
      std::function<void(const Error& error, const v1::SessionAnswer& answer, Time sent)>;
  struct Pending {
    v1::SessionOperation operation;
    Answered done;
    bool waits = false;  // a Lease with max_wait
    Time sent{};
    // Where it was sent last, and first; 0: it is not on its way.
    uint64_t stream = 0;
    uint64_t first_stream = 0;
  };
  // What to call when the lock is released.
  using Calls = std::vector<std::function<void()>>;

  Session(const ClientOptions& server, SessionOptions options);
  void StartOperation(v1::SessionOperation operation, Answered done);
  void FinishLease(const Error& error, const v1::SessionAnswer& answer, Time sent,
                   const v1::LeaseRequest& request, const LeaseDone& done);
  void FinishAttach(const BatchResult& attached, std::span<const Ref> refs, Milliseconds ttl,
                    const BatchDone& done);
  void NoteGrants(Milliseconds ttl, Time sent);

  // The thread that sends.
  void Run();
  [[nodiscard]] Error LiveOneStream();
  [[nodiscard]] v1::SessionRequest Opening(grpc::ClientContext& context);
  [[nodiscard]] bool AwaitMessage(v1::SessionRequest& request);
  [[nodiscard]] bool Quiet(Time now) const;
  [[nodiscard]] LeaseClock::duration Beat() const;
  [[nodiscard]] Milliseconds ConnectLimit() const;
  void Pack(v1::SessionRequest& request);
  void AddHeartbeat(v1::SessionRequest& request, Time now);
  [[nodiscard]] bool MayGoOn(const Error& error) const;
  void End(const Error& why);
  // The thread that reads.
  void Took(const v1::SessionResponse& response);
  // `renewed`: when a heartbeat was sent that was answered.
  void TookAnswer(const v1::SessionAnswer& answer, Calls& calls, Time& renewed);
  void TookHeartbeat(const v1::SessionAnswer& answer, Calls& calls, Time& renewed);
  void TookNotice(const v1::SessionNotice& notice, Calls& calls);

  const ClientOptions server_;
  const SessionOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;  // the sending thread has work, or the state below has changed
  std::map<uint64_t, Pending> pending_;  // by id, in the order of their start
  std::deque<uint64_t> to_send_;
  std::vector<uint64_t> again_;  // to be sent again with the next heartbeat
  uint64_t last_id_ = 0;
  std::size_t waiting_ = 0;     // of pending_
  std::size_t sent_bytes_ = 0;  // of those that were sent and do not wait
  std::string token_;           // empty: not open yet
  bool broken_ = false;         // the stream
  bool answered_ = false;       // likewise: something came
  Time opened_at_{};            // likewise
  bool closing_ = false;
  bool over_ = false;
  Error why_over_{};
  grpc::ClientContext* context_ = nullptr;  // of the stream
  uint64_t streams_ = 0;
  Time contact_{};  // when the last operation that was answered was sent
  Time held_until_{};
  Milliseconds least_ttl_;  // of its grants, linger at most
  Time next_heartbeat_{};
  Time heartbeat_sent_{};  // 0: it was answered
  std::thread thread_;     // the last member: it uses all others
};

}  // namespace objpool::client
