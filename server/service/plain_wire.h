// The requests that are made most, read from their bytes and answered in bytes.
//
// Most clients lease and return, with no other wishes than a count, a TTL and a holder. What
// protobuf does for that, objects for each part, costs more than the lease itself; here it is read
// where it lies. Whatever is not as plain as that, or not surely right, is left to protobuf, so
// there is no second opinion on what a message means.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/lease/batch_room.h"
#include "server/lease/grant_key.h"

namespace objpool::server {

struct PlainTtl {
  int64_t seconds = 0;
  int32_t nanos = 0;
};
// A LeaseRequest. Its texts lie in the message, and are ASCII.
struct PlainLease {
  std::string_view pool;
  std::string_view holder;
  uint32_t count = 1;  // 1 .. kMaxBatch: all of them or none
  std::optional<PlainTtl> ttl;
};
// False where it has anything else.
[[nodiscard]] bool ReadPlainLease(std::string_view request, PlainLease& to);

// A ReturnRequest of 1 .. kMaxBatch clean handles.
struct PlainReturn {
  std::string_view pool;
  std::span<const lease::GrantRef> refs;  // in `room`
};
[[nodiscard]] bool ReadPlainReturn(std::string_view request,
                                   lease::BatchRoom<lease::GrantRef>& room, PlainReturn& to);

// An operation of a session: a Lease or a Return of one handle.
struct PlainOperation {
  uint64_t id = 0;
  bool is_lease = false;
  PlainLease lease;
  std::string_view pool;  // of a Return
  lease::GrantRef ref;    // likewise
};
// So many of one message are read at the most.
inline constexpr std::size_t kMaxPlainOperations = 256;
// Puts all operations of a SessionRequest into `to`, in place of what is there. False where it has
// none, anything else, or more of them.
[[nodiscard]] bool ReadPlainOperations(std::string_view message, std::vector<PlainOperation>& to);

// A part of a SessionResponse: `field` is its number there.
void AppendPart(int field, const google::protobuf::MessageLite& part, std::string& to);

// How long grants run; `expire_ns` by the wall clock.
struct GrantTimes {
  uint64_t ttl_ms = 0;
  int64_t expire_ns = 0;
};
// The LeaseResponse, and a session's answer, with these grants of IDs that begin at `first_id`.
void AppendLeaseReply(std::span<const lease::GrantRef> refs, int64_t first_id,
                      const GrantTimes& times, std::string& to);
void AppendLeaseAnswer(uint64_t id, const lease::GrantRef& ref, int64_t first_id,
                       const GrantTimes& times, std::string& to);
// The ReturnResponse to handles that all came back, and a session's answer to one.
void AppendReturnReply(std::size_t handles, std::string& to);
void AppendReturnAnswer(uint64_t id, bool already_returned, std::string& to);

}  // namespace objpool::server
