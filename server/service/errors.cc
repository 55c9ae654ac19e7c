#include "server/service/errors.h"

#include <algorithm>

#include "pool/base/check.h"

namespace objpool::server {
namespace {

using google::rpc::Status;
using Metadata = std::vector<std::pair<std::string, std::string>>;

Status Make(rpc::Code code, std::string message, const std::string& reason,
            const Metadata& metadata = {}) {
  Status status;
  status.set_code(static_cast<int>(code));
  status.set_message(std::move(message));
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("objpool");
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  status.add_details()->PackFrom(info);
  return status;
}

void AddRetry(Status& status, uint64_t ms) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(static_cast<int64_t>(ms / 1000));
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
  status.add_details()->PackFrom(retry);
}

// A name as long as the request would come back in a header, where it does not fit. Cut between
// characters, because what goes into a message must stay UTF-8.
std::string Shown(std::string_view name) {
  std::size_t end = std::min<std::size_t>(name.size(), 100);
  while (end > 0 && end < name.size() && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) {
    --end;
  }
  return std::string(name.substr(0, end));
}

std::string HandleOf(std::string_view pool, uint64_t handle) {
  return "handle " + std::to_string(handle) + " of pool " + std::string(pool);
}

Status Ended(const lease::Verdict& verdict, const VerdictContext& context, const char* how,
             const char* reason) {
  const lease::BootMs ago = context.now > verdict.ended_at ? context.now - verdict.ended_at : 0;
  return Make(rpc::Code::kNotFound,
              "the grant of " + HandleOf(context.pool, context.handle) + " " + how + " " +
                  std::to_string(ago) + " ms ago",
              reason,
              {{"pool", std::string(context.pool)},
               {"handle", std::to_string(context.handle)},
               {"ended_by", how},
               {"ended_ago_ms", std::to_string(ago)}});
}

Status Full(std::string message) {
  constexpr uint64_t kRetryMs = 1000;
  Status status = Make(rpc::Code::kResourceExhausted, std::move(message), "OVERLOADED");
  AddRetry(status, kRetryMs);
  return status;
}

}  // namespace

rpc::Status ToCallStatus(const Status& error) {
  OBJPOOL_CHECK(error.code() >= 0 && error.code() < static_cast<int>(rpc::kCodes),
                "a canonical code");
  rpc::Status status{static_cast<rpc::Code>(error.code()), error.message(),
                     error.SerializeAsString()};
  google::rpc::RetryInfo retry;
  for (const auto& detail : error.details()) {
    if (!detail.UnpackTo(&retry)) continue;
    status.retry_ms = (static_cast<uint64_t>(retry.retry_delay().seconds()) * 1000) +
                      (static_cast<uint64_t>(retry.retry_delay().nanos()) / 1'000'000);
  }
  return status;
}

void Violations::Add(std::string field, std::string rule) {
  if (!bad_) bad_.emplace();
  auto* const violation = bad_->add_field_violations();
  violation->set_field(std::move(field));
  violation->set_description(std::move(rule));
}

Status Violations::ToError() const {
  OBJPOOL_CHECK(!empty(), "something is wrong");
  std::string message;
  for (const auto& violation : bad_->field_violations()) {
    message += (message.empty() ? "" : "; ") + violation.field() + " " + violation.description();
  }
  Status status = Make(rpc::Code::kInvalidArgument, std::move(message), "BAD_FIELD");
  status.add_details()->PackFrom(*bad_);
  return status;
}

std::string OutOfRange(uint64_t low, uint64_t high, uint64_t value) {
  return "must be " + std::to_string(low) + " .. " + std::to_string(high) + ", got " +
         std::to_string(value);
}

Status Malformed(std::string_view message_type) {
  return Make(rpc::Code::kInvalidArgument,
              "the request is not a valid " + std::string(message_type), "MALFORMED");
}

Status PoolUnknown(std::string_view name) {
  const std::string shown = Shown(name);
  Status status = Make(rpc::Code::kNotFound, "no pool is named \"" + shown + "\"", "POOL_UNKNOWN");
  google::rpc::ResourceInfo resource;
  resource.set_resource_type("objpool.v1.Pool");
  resource.set_resource_name(shown);
  status.add_details()->PackFrom(resource);
  return status;
}

Status ServiceUnknown(std::string_view name) {
  return Make(rpc::Code::kNotFound, "no service or pool is named \"" + Shown(name) + "\"",
              "SERVICE_UNKNOWN");
}

Status PoolExhausted(std::string_view pool, uint64_t wanted, uint64_t retry_ms) {
  Status status = Make(
      rpc::Code::kResourceExhausted,
      "pool " + std::string(pool) + " has fewer than " + std::to_string(wanted) + " free handles",
      "POOL_EXHAUSTED", {{"pool", std::string(pool)}, {"min_count", std::to_string(wanted)}});
  AddRetry(status, retry_ms);
  return status;
}

Status ShuttingDown() {
  Status status = Make(rpc::Code::kUnavailable, "the server is shutting down and leases no more",
                       "SHUTTING_DOWN");
  AddRetry(status, 1000);
  return status;
}

Status WaitedTooLong(std::string_view pool, uint64_t wanted, uint64_t max_wait_ms) {
  return Make(rpc::Code::kDeadlineExceeded,
              "pool " + std::string(pool) + " had fewer than " + std::to_string(wanted) +
                  " free handles for all of max_wait, " + std::to_string(max_wait_ms) + " ms",
              "WAITED_TOO_LONG",
              {{"pool", std::string(pool)},
               {"min_count", std::to_string(wanted)},
               {"max_wait_ms", std::to_string(max_wait_ms)}});
}

Status Overloaded(std::string_view pool, uint64_t retry_ms) {
  Status status = Make(rpc::Code::kResourceExhausted,
                       "too many calls wait for pool " + std::string(pool) + " already",
                       "OVERLOADED", {{"pool", std::string(pool)}});
  AddRetry(status, retry_ms);
  return status;
}

Status QuotaExceeded(const OverQuota& over) {
  const bool too_often = over.retry_ms != 0;
  const std::string of = std::string(over.identity) + " of pool " + std::string(over.pool);
  const std::string handles = std::to_string(over.limits.handles);
  const std::string calls = std::to_string(over.limits.calls_per_s);
  const std::string what = too_often ? "more than its " + calls +
                                           " calls a second, of which a quarter is "
                                           "for renew and return"
                                     : "holds or waits for " + std::to_string(over.has) +
                                           " of its " + handles + " handles, and asked for " +
                                           std::to_string(over.wanted) + " more";
  Status status =
      Make(rpc::Code::kResourceExhausted, "over the quota of " + of + ": " + what, "QUOTA_EXCEEDED",
           {{"pool", std::string(over.pool)},
            {"limit", too_often ? "calls_per_s" : "handles"},
            {"max", too_often ? calls : handles}});
  google::rpc::QuotaFailure failure;
  auto* const violation = failure.add_violations();
  violation->set_subject("pools/" + std::string(over.pool) + "/identities/" +
                         std::string(over.identity));
  violation->set_description(what);
  status.add_details()->PackFrom(failure);
  if (too_often) AddRetry(status, over.retry_ms);
  return status;
}

Status Denied(const char* reason, std::string_view identity, const char* method,
              std::string_view pool) {
  const std::string who = Shown(identity);
  const std::string where = Shown(pool);
  return Make(rpc::Code::kPermissionDenied,
              who + " may not call " + method + (where.empty() ? "" : " of pool \"" + where + "\""),
              reason, {{"identity", who}, {"method", method}, {"pool", where}});
}

std::string ReasonOf(const Status& error) {
  google::rpc::ErrorInfo info;
  for (const auto& detail : error.details()) {
    if (detail.UnpackTo(&info)) return info.reason();
  }
  return {};
}

Status TooManySessions() { return Full("the server has too many sessions already"); }

Status TooManySessionGrants() {
  return Full("the session, or all sessions together, would have too many grants");
}

Status TooManySessionWaits() { return Full("too many leases of this session wait already"); }

Status SessionUnknown() {
  return Make(rpc::Code::kNotFound, "no session has this token; it has ended, or never was",
              "SESSION_UNKNOWN");
}

Status SessionTakenOver() {
  return Make(rpc::Code::kAborted, "the session was resumed, and goes on with another stream",
              "SESSION_TAKEN_OVER");
}

Status RequestIdReused() {
  return Make(rpc::Code::kInvalidArgument,
              "request_id was used for another request: pool, count, min_count, ttl, state, "
              "selector and holder must be the same when a request is repeated",
              "REQUEST_ID_REUSED");
}

Status RequestPending(std::string_view pool) {
  constexpr uint64_t kRetryMs = 100;
  Status status = Make(rpc::Code::kAborted,
                       "a request with this request_id is being served: the first one waits still",
                       "REQUEST_PENDING", {{"pool", std::string(pool)}});
  AddRetry(status, kRetryMs);
  return status;
}

Status RequestSpent(std::string_view pool) {
  return Make(
      rpc::Code::kFailedPrecondition,
      "this request_id was answered with grants that have ended; a new request needs a new one",
      "REQUEST_SPENT", {{"pool", std::string(pool)}});
}

Status RestartGrace(std::string_view pool, uint64_t left_ms) {
  Status status =
      Make(rpc::Code::kUnavailable,
           "pool " + std::string(pool) +
               " leases nothing yet: grants that the server does not know of, from before its "
               "start, may still run",
           "RESTART_GRACE", {{"pool", std::string(pool)}, {"left_ms", std::to_string(left_ms)}});
  AddRetry(status, left_ms);
  return status;
}

Status PoolDraining(std::string_view pool) {
  return Make(rpc::Code::kFailedPrecondition,
              "pool " + std::string(pool) + " is draining and leases no more", "POOL_DRAINING",
              {{"pool", std::string(pool)}});
}

Status PoolDeleting(std::string_view pool) {
  return Make(rpc::Code::kFailedPrecondition, "pool " + std::string(pool) + " is being deleted",
              "POOL_DELETING", {{"pool", std::string(pool)}});
}

Status PoolExists(std::string_view pool) {
  return Make(rpc::Code::kAlreadyExists,
              "there is a pool " + std::string(pool) + ", or it is being made or deleted",
              "POOL_EXISTS", {{"pool", std::string(pool)}});
}

Status TooManyPools(uint64_t most) {
  return Make(rpc::Code::kResourceExhausted,
              "there can be " + std::to_string(most) + " pools, and there are", "TOO_MANY_POOLS",
              {{"max_pools", std::to_string(most)}});
}

Status NoRoom(std::string_view pool, const std::string& why) {
  return Make(rpc::Code::kResourceExhausted,
              "there is no room for pool " + std::string(pool) + ": " + why, "NO_ROOM",
              {{"pool", std::string(pool)}});
}

Status StateUnusable(std::string_view pool, const std::string& why) {
  return Make(rpc::Code::kFailedPrecondition,
              "the state_dir cannot keep pool " + std::string(pool) + ": " + why, "STATE_UNUSABLE",
              {{"pool", std::string(pool)}});
}

Status NotQuarantined(std::string_view pool, uint64_t handle) {
  return Make(rpc::Code::kFailedPrecondition, HandleOf(pool, handle) + " is not quarantined",
              "NOT_QUARANTINED", {{"pool", std::string(pool)}, {"handle", std::to_string(handle)}});
}

Status StateLost() {
  Status status = Make(
      rpc::Code::kUnavailable,
      "the server's state_dir was deleted; it leases no more until it is restarted", "STATE_LOST");
  AddRetry(status, 1000);
  return status;
}

Status DiskFailed(const std::string& why) {
  return Make(rpc::Code::kUnavailable,
              "the disk does not take the pool's records, and nobody knows which it has: " + why,
              "DISK_FAILED");
}

Status NotABufferPool(std::string_view pool) {
  return Make(rpc::Code::kFailedPrecondition,
              "the handles of pool " + std::string(pool) + " are no buffers: they have no memory",
              "NOT_A_BUFFER_POOL", {{"pool", std::string(pool)}});
}

Status TooManyStreams(uint32_t most) {
  constexpr uint64_t kRetryMs = 1000;
  Status status = Make(rpc::Code::kResourceExhausted,
                       "the worker serves " + std::to_string(most) +
                           " reads and writes of buffers already, and takes no more",
                       "OVERLOADED");
  AddRetry(status, kRetryMs);
  return status;
}

Status StreamIdle(uint64_t seconds) {
  return Make(rpc::Code::kDeadlineExceeded,
              "the client neither read nor wrote anything for " + std::to_string(seconds) + " s",
              "STREAM_IDLE");
}

Status WithWritten(Status error, uint64_t bytes_written, uint64_t uncertain_bytes) {
  for (auto& detail : *error.mutable_details()) {
    google::rpc::ErrorInfo info;
    if (!detail.UnpackTo(&info)) continue;
    (*info.mutable_metadata())["bytes_written"] = std::to_string(bytes_written);
    if (uncertain_bytes != 0) {
      (*info.mutable_metadata())["uncertain_bytes"] = std::to_string(uncertain_bytes);
    }
    detail.PackFrom(info);
  }
  return error;
}

Status NoGrant(std::string_view pool, uint64_t handle) {
  return Make(rpc::Code::kNotFound, HandleOf(pool, handle) + " has no such grant", "NO_GRANT",
              {{"pool", std::string(pool)}, {"handle", std::to_string(handle)}});
}

Status StaleFence(std::string_view pool, uint64_t handle, uint64_t current_fence) {
  return Make(rpc::Code::kFailedPrecondition,
              HandleOf(pool, handle) + " has had a newer grant since, fence " +
                  std::to_string(current_fence),
              "STALE_FENCE",
              {{"pool", std::string(pool)},
               {"handle", std::to_string(handle)},
               {"current_fence", std::to_string(current_fence)}});
}

Status FromVerdict(const lease::Verdict& verdict, const VerdictContext& context) {
  switch (verdict.outcome) {
    case lease::Outcome::kOk:
    case lease::Outcome::kAlreadyReturned:
      return {};
    case lease::Outcome::kReturned:
      return Ended(verdict, context, "returned", "GRANT_RETURNED");
    case lease::Outcome::kExpired:
      return Ended(verdict, context, "expired", "GRANT_EXPIRED");
    case lease::Outcome::kRevoked:
      return Ended(verdict, context, "revoked", "GRANT_REVOKED");
    case lease::Outcome::kStaleFence:
      return StaleFence(context.pool, context.handle, verdict.current_fence);
    case lease::Outcome::kNotHolder:
      return Make(
          rpc::Code::kPermissionDenied,
          "the key does not belong to this grant of " + HandleOf(context.pool, context.handle),
          "NOT_HOLDER",
          {{"pool", std::string(context.pool)}, {"handle", std::to_string(context.handle)}});
    case lease::Outcome::kBadHandle: {
      Violations bad;
      bad.Add(context.field, OutOfRange(0, context.capacity - 1, context.handle));
      return bad.ToError();
    }
  }
  base::CheckFailed(__FILE__, __LINE__, "FromVerdict", "an outcome is one of those above");
}

}  // namespace objpool::server
