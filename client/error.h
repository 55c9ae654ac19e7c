// Error: why a call, or one item of a batch, failed, taken out of the server's google.rpc.Status.
//
// What the server says comes with a stable reason (the table in lease_service.proto); what never
// got an answer of the server has none, and `origin` tells why. A plain value.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/duration.h"
#include "google/rpc/status.pb.h"

namespace objpool::client {

// One broken rule of a request.
struct FieldViolation {
  std::string field;
  std::string description;
};

struct Error {
  enum class Origin : uint8_t {
    kServer,       // the server refused
    kUnreachable,  // no connection: the server saw nothing of the call
    kLost,         // the connection broke: the server may or may not have done it
    kNoAnswer,     // out of time on a live connection: likewise
  };

  grpc::StatusCode code = grpc::StatusCode::OK;
  Origin origin = Origin::kServer;
  std::string message;
  std::string reason;  // ErrorInfo.reason, e.g. "POOL_EXHAUSTED"; empty without one
  std::map<std::string, std::string> metadata;  // of the ErrorInfo
  std::optional<Milliseconds> retry_after;      // RetryInfo
  std::vector<FieldViolation> fields;           // BadRequest

  [[nodiscard]] bool ok() const { return code == grpc::StatusCode::OK; }
};

// The status of one item.
[[nodiscard]] Error ErrorOf(const google::rpc::Status& status);
// The status of a call. `connected` says whether there was a connection when it ended.
[[nodiscard]] Error ErrorOf(const grpc::Status& status, bool connected);

// "NOT_FOUND" for grpc::StatusCode::NOT_FOUND.
[[nodiscard]] std::string_view CodeName(grpc::StatusCode code);
// A short stable word to count errors by: the reason, or one for the origin, or the code's name.
[[nodiscard]] std::string_view ErrorKind(const Error& error);

}  // namespace objpool::client
