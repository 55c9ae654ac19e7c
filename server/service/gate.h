// Gate: whether a client may make a call. All calls come by, before any work is done for them; so
// do the operations of sessions and, now and again, streams that go on.
//
// With a policy, it decides. Without one everybody may do everything, but for administration, which
// is for whom the configuration says. What a worker has decided lately it finds again in a table of
// its own, without a lock, and without memory once the table has seen as long names.
//   I1  A worker goes by the policy that it saw at its last Guards. Use puts another one there for
//       all calls that begin when it has returned.
//   R1  the epoch is raised behind the lock    pairs with  A1  its load in Guards, which then takes
//                                                          the policy behind the same lock
//
// Threads: Use and denied by any; the rest by the worker that is named.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "google/rpc/status.pb.h"
#include "pool/base/cache_line.h"
#include "pool/base/counter.h"
#include "proto/settings/policy.h"
#include "server/config/config.h"
#include "server/rpc/call.h"
#include "server/service/audit_log.h"

namespace objpool::server {

struct CallInfo;

class Gate {
 public:
  // `audit` may be null; else it must outlive the gate, and has a lane for each worker.
  Gate(uint32_t workers, AdminAccess admin, AuditLog* audit);

  // From now on this policy holds; null: none.
  void Use(std::shared_ptr<const settings::Policy> policy);

  // What is asked for. `pool` as in a request; empty where the call names none, or not yet.
  struct Ask {
    settings::Method method;
    std::string_view pool = {};
    std::optional<uint64_t> handle = {};
    std::optional<uint64_t> fence = {};
  };

  // Nothing when the client may, and then its quota is in `info` where the policy has one. Else the
  // error, which was counted and written down.
  [[nodiscard]] std::optional<google::rpc::Status> Enter(CallInfo& info, const Ask& ask);
  // The same without a trace: for what a client is merely shown.
  [[nodiscard]] bool Allows(const CallInfo& info, const Ask& ask);
  // What came of it, where that is to be written down.
  void Note(const CallInfo& info, const Ask& ask, const google::rpc::Status& result);

  // Another number for each policy: who has looked at one need not again. Any thread.
  [[nodiscard]] uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

  // Calls that were refused. Any thread.
  [[nodiscard]] uint64_t denied(settings::Group group) const;

 private:
  static constexpr std::size_t kSeen = 1024;
  // Longer names are decided anew each time. (A certificate's have 2048 bytes at the most.)
  static constexpr std::size_t kMaxSeenBytes = 2304;

  // A decision; the one of another question takes its place.
  struct Seen {
    bool used = false;
    settings::Method method{};
    const settings::Rule* rule = nullptr;
    std::string identity, pool;
  };
  struct alignas(base::kCacheLineBytes) Desk {
    uint64_t epoch = 0;
    std::shared_ptr<const settings::Policy> policy;  // shared, because workers let go one by one
    std::vector<Seen> seen;                          // empty until there is a policy
    std::array<base::Counter, settings::kGroupNames.size()> denied;
  };

  // Whether it matters who asks.
  [[nodiscard]] bool Guards(Desk& desk, settings::Method method);
  [[nodiscard]] bool Decide(Desk& desk, std::string_view identity, const Ask& ask,
                            const settings::Rule*& rule) const;
  [[nodiscard]] static const settings::Rule* FindRule(Desk& desk, std::string_view identity,
                                                      settings::Method method,
                                                      std::string_view pool);

  const AdminAccess admin_;
  AuditLog* const audit_;
  std::vector<Desk> desks_;  // by worker
  std::atomic<uint64_t> epoch_{0};
  std::mutex lock_;
  std::shared_ptr<const settings::Policy> policy_;
};

// Where a call is guarded, and as which.
struct Door {
  Gate& gate;
  settings::Method method;
};

// Streams that are refused at the door; and those that go on while the policy changes, so that they
// may not any more, are ended with the same error, some tens of milliseconds later.
[[nodiscard]] rpc::StreamFactory GuardedStream(const Door& door, rpc::StreamFactory make);

}  // namespace objpool::server
