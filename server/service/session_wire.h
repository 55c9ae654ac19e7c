// The operations that most sessions are made of, read from a message's bytes and answered in bytes.
//
// A client that leases and returns handles one by one sends little else. What protobuf does for
// such an operation, objects for each part of it, costs more than the lease itself; here it is read
// where it lies. Whatever is not as plain as that, or not surely right, is left to protobuf, so
// there is no second opinion on what a message means.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/lease/grant_key.h"

namespace objpool::server {

// A Lease of one handle with no other wishes than a TTL and a holder, or a Return of one clean one.
// Its texts lie in the message, and are ASCII.
struct PlainOperation {
  struct Ttl {
    int64_t seconds = 0;
    int32_t nanos = 0;
  };

  uint64_t id = 0;
  std::string_view pool;
  bool is_lease = false;
  std::string_view holder;  // of a Lease; also `ttl`
  std::optional<Ttl> ttl;
  lease::GrantRef ref;  // of a Return
};

// So many operations of one message are read at the most.
inline constexpr std::size_t kMaxPlainOperations = 256;

// Puts all operations of a SessionRequest into `to`, in place of what is there. False where it has
// none, anything else, or more of them.
[[nodiscard]] bool ReadPlainOperations(std::string_view message, std::vector<PlainOperation>& to);

// A part of a SessionResponse: `field` is its number there.
void AppendPart(int field, const google::protobuf::MessageLite& part, std::string& to);

// The answer to a Lease that got this grant, which stands for `value`, until `expire_ns` by the
// wall clock.
struct PlainGrant {
  lease::GrantRef ref;
  int64_t value;
  uint64_t ttl_ms;
  int64_t expire_ns;
};
void AppendLeaseAnswer(uint64_t id, const PlainGrant& grant, std::string& to);
// The answer to a Return that went well.
void AppendReturnAnswer(uint64_t id, bool already_returned, std::string& to);

}  // namespace objpool::server
