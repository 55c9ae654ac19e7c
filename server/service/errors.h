// Errors as the API promises them: a canonical code, an ErrorInfo with a stable reason, and the
// detail that fits. The table of reasons is in proto/objpool/v1/lease_service.proto; this is the
// one place that makes them.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/lease/lease_table.h"
#include "server/lease/quotas.h"
#include "server/rpc/status.h"

namespace objpool::server {

// For the trailers of a call.
[[nodiscard]] rpc::Status ToCallStatus(const google::rpc::Status& error);

// What is wrong with the fields of a request; all of it, not only the first.
class Violations {
 public:
  // `rule` says the limit and the value given: "must be 1 .. 1024, got 0".
  void Add(std::string field, std::string rule);
  [[nodiscard]] bool empty() const { return !bad_; }
  [[nodiscard]] google::rpc::Status ToError() const;

 private:
  std::optional<google::rpc::BadRequest> bad_;  // most requests have none
};

// Texts for Violations: "must be LOW .. HIGH, got VALUE".
[[nodiscard]] std::string OutOfRange(uint64_t low, uint64_t high, uint64_t value);

[[nodiscard]] google::rpc::Status Malformed(std::string_view message_type);
[[nodiscard]] google::rpc::Status PoolUnknown(std::string_view name);
[[nodiscard]] google::rpc::Status ServiceUnknown(std::string_view name);
[[nodiscard]] google::rpc::Status PoolExhausted(std::string_view pool, uint64_t wanted,
                                                uint64_t retry_ms);
[[nodiscard]] google::rpc::Status ShuttingDown();
// A Lease waited as long as it wanted, in vain.
[[nodiscard]] google::rpc::Status WaitedTooLong(std::string_view pool, uint64_t wanted,
                                                uint64_t max_wait_ms);
// Too many wait already.
[[nodiscard]] google::rpc::Status Overloaded(std::string_view pool, uint64_t retry_ms);
// So are sessions; grants of a session, or of all; leases of a session that wait.
[[nodiscard]] google::rpc::Status TooManySessions();
[[nodiscard]] google::rpc::Status TooManySessionGrants();
[[nodiscard]] google::rpc::Status TooManySessionWaits();
// The client has, or has asked for, as much as it may.
struct OverQuota {
  std::string_view pool;
  std::string_view identity;
  lease::Quotas::Limits limits;
  uint32_t wanted = 0;
  uint32_t has = 0;
  uint64_t retry_ms = 0;  // 0: too many handles; else it asked too often
};
[[nodiscard]] google::rpc::Status QuotaExceeded(const OverQuota& over);
// The client may not. `identity` is who it is, `pool` may be empty.
[[nodiscard]] google::rpc::Status Denied(const char* reason, std::string_view identity,
                                         const char* method, std::string_view pool);
// The reason in an error's ErrorInfo; empty where there is none.
[[nodiscard]] std::string ReasonOf(const google::rpc::Status& error);
// No session has the token; the session goes on with another stream.
[[nodiscard]] google::rpc::Status SessionUnknown();
[[nodiscard]] google::rpc::Status SessionTakenOver();
// The same request_id came with another content; is being served; has an answer that is over.
[[nodiscard]] google::rpc::Status RequestIdReused();
[[nodiscard]] google::rpc::Status RequestPending(std::string_view pool);
[[nodiscard]] google::rpc::Status RequestSpent(std::string_view pool);
// The pool waits until grants that it cannot know of have run out.
[[nodiscard]] google::rpc::Status RestartGrace(std::string_view pool, uint64_t left_ms);
// The pool leases no more; will not again; is not there to be made; cannot be made.
[[nodiscard]] google::rpc::Status PoolDraining(std::string_view pool);
[[nodiscard]] google::rpc::Status PoolDeleting(std::string_view pool);
[[nodiscard]] google::rpc::Status PoolExists(std::string_view pool);
[[nodiscard]] google::rpc::Status TooManyPools(uint64_t most);
[[nodiscard]] google::rpc::Status NoRoom(std::string_view pool, const std::string& why);
[[nodiscard]] google::rpc::Status StateUnusable(std::string_view pool, const std::string& why);
[[nodiscard]] google::rpc::Status NotQuarantined(std::string_view pool, uint64_t handle);
// The files behind durable pools were deleted under the server.
[[nodiscard]] google::rpc::Status StateLost();
// The disk does not take what must be on it.
[[nodiscard]] google::rpc::Status DiskFailed(const std::string& why);
// Of BufferService: the pool's handles have no memory; the worker serves `most` such calls already;
// the client has done nothing for so long.
[[nodiscard]] google::rpc::Status NotABufferPool(std::string_view pool);
[[nodiscard]] google::rpc::Status TooManyStreams(uint32_t most);
[[nodiscard]] google::rpc::Status StreamIdle(uint64_t seconds);
// The same error, which also says what a Write has written, and how much of the end of that may
// have come after its grant.
[[nodiscard]] google::rpc::Status WithWritten(google::rpc::Status error, uint64_t bytes_written,
                                              uint64_t uncertain_bytes);
[[nodiscard]] google::rpc::Status NoGrant(std::string_view pool, uint64_t handle);
[[nodiscard]] google::rpc::Status StaleFence(std::string_view pool, uint64_t handle,
                                             uint64_t current_fence);

// Whose verdict it was: for the texts.
struct VerdictContext {
  std::string_view pool;
  std::string field;  // of the grant's handle in the request
  uint64_t handle = 0;
  uint64_t capacity = 0;
  lease::BootMs now = 0;
};
// An error with code OK for the outcomes that are none. The one mapping from outcome to status.
[[nodiscard]] google::rpc::Status FromVerdict(const lease::Verdict& verdict,
                                              const VerdictContext& context);

}  // namespace objpool::server
