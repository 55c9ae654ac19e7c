// SessionService: the Session method: the sessions of all workers, and what becomes of them.
//
// A session lives on the worker of its stream, and lingers where that was. Resumed on another
// worker, it moves: the new stream's worker asks for it by mail, and gets it by mail. A mail goes
// to the worker that the directory names; who has handed the session over already sends it on.
//
// Threads: Turn and what streams call by the worker; Look by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "pool/base/cache_line.h"
#include "pool/base/counter.h"
#include "server/lease/session_directory.h"
#include "server/lease/session_table.h"
#include "server/rpc/method_table.h"
#include "server/service/lease_service.h"
#include "server/service/plain_wire.h"
#include "server/service/pool_set.h"
#include "server/service/session_runs.h"

namespace objpool::server {

class SessionStream;

struct ServedSession final : lease::Session {
  SessionStream* stream = nullptr;
};

class SessionService {
 public:
  // `wake` makes a worker take its next turn soon. All must outlive the service, and it the engine.
  SessionService(PoolSet& pools, LeaseService& leases, uint32_t workers,
                 std::function<void(uint32_t worker)> wake);
  ~SessionService();

  // `gate` must outlive the service.
  void AddTo(rpc::MethodTable& methods, Gate& gate);

  // Hands sessions over, ends those that have lingered long enough, gives back what they had,
  // looks at what the others have; a little of it at each call. True when there is more to do.
  [[nodiscard]] bool Turn(uint32_t worker, lease::BootMs now);

  struct Totals {
    uint64_t open = 0;
    uint64_t lingering = 0;
    uint64_t resumed = 0;     // ever
    uint64_t lapsed = 0;      // sessions that have lingered long enough, ever
    uint64_t given_back = 0;  // grants of those, ever
    uint64_t grants = 0;
  };
  [[nodiscard]] Totals Look() const;

  // For streams, on their workers.
  [[nodiscard]] PoolSet& pools() { return pools_; }
  [[nodiscard]] LeaseService& leases() { return leases_; }
  [[nodiscard]] lease::SessionDirectory& directory() { return directory_; }
  [[nodiscard]] Gate& gate() { return *gate_; }
  // A new session for the stream; null when there are too many.
  [[nodiscard]] ServedSession* Begin(SessionStream& stream, uint64_t linger_ms, std::string holder);
  // The stream is told later, or at once, by Joined or Unknown.
  void Resume(SessionStream& stream, const lease::Secret& token);
  // The stream is over. Without `linger`, the session stays as it is, for good.
  void Lose(ServedSession& session, lease::BootMs now, bool linger);
  // Nobody is to come back to it.
  void End(uint32_t worker, ServedSession& session);
  // Its Work is called in the next turns, for as long as that is true.
  void MakeBusy(SessionStream& stream);
  // It is flushed after the first turn that brings it no message: what the client has sent in one
  // go is answered in one go.
  void Cork(SessionStream& stream);
  // Flushes the stream when a sync of the disk is done.
  void AwaitDisk(SessionStream& stream);
  void Forget(SessionStream& stream);
  // Room for the operations of one message.
  [[nodiscard]] std::vector<PlainOperation>& plain_operations(uint32_t worker) {
    return desks_[worker].plain_operations;
  }

 private:
  struct Mail {
    lease::Secret token{};
    // For the stream of this number, on that worker.
    uint64_t stream = 0;
    uint32_t worker = 0;
    bool wanted = false;                     // the session is asked for; else it is here
    std::unique_ptr<ServedSession> session;  // null: there is none
  };
  struct alignas(base::kCacheLineBytes) Desk {
    // The worker's own.
    lease::SessionTable table;
    uint64_t last_stream = 0;
    std::unordered_map<uint64_t, SessionStream*> coming;  // streams whose session is to come
    std::deque<SessionStream*> busy;
    std::vector<SessionStream*> corked;
    std::vector<SessionStream*> awaits_disk;
    std::vector<PlainOperation> plain_operations;
    // Written by the worker, read by anybody.
    std::atomic<uint64_t> open{0}, lingering{0};
    base::Counter resumed, lapsed, given_back;
    // Anybody's.
    std::atomic<bool> has_mail{false};
    std::mutex lock;
    std::vector<Mail> inbox;
  };

  void Post(uint32_t worker, Mail mail);
  void Deliver(uint32_t worker, lease::BootMs now);
  void HandOver(uint32_t worker, Mail mail);
  void Arrive(uint32_t worker, Mail mail, lease::BootMs now);
  void Join(uint32_t worker, SessionStream& stream, ServedSession& session);
  [[nodiscard]] SessionStream* TakeComing(Desk& desk, uint64_t number);
  void EndLapsed(uint32_t worker, lease::BootMs now);
  [[nodiscard]] bool GiveBack(Desk& desk, const SessionStep& step);
  [[nodiscard]] bool Work(Desk& desk, lease::BootMs now);
  void Uncork(Desk& desk);
  static void FlushStored(Desk& desk);
  [[nodiscard]] bool LookAround(Desk& desk, const SessionStep& step);

  PoolSet& pools_;
  LeaseService& leases_;
  Gate* gate_ = nullptr;  // set by AddTo
  const std::function<void(uint32_t worker)> wake_;
  lease::SessionDirectory directory_;
  std::vector<Desk> desks_;
};

}  // namespace objpool::server
