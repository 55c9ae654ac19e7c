#include "client/error.h"

#include <array>

#include "google/rpc/error_details.pb.h"

namespace objpool::client {
namespace {

// As many details as are looked at: the server sends at most three.
constexpr int kMaxDetails = 16;

grpc::StatusCode CodeOf(int number) {
  const bool known = number >= grpc::StatusCode::OK && number <= grpc::StatusCode::UNAUTHENTICATED;
  return known ? static_cast<grpc::StatusCode>(number) : grpc::StatusCode::UNKNOWN;
}

void ReadDetail(const google::protobuf::Any& any, Error& error) {
  if (google::rpc::ErrorInfo info; any.Is<google::rpc::ErrorInfo>() && any.UnpackTo(&info)) {
    error.reason = info.reason();
    error.metadata = {info.metadata().begin(), info.metadata().end()};
  } else if (google::rpc::RetryInfo retry;
             any.Is<google::rpc::RetryInfo>() && any.UnpackTo(&retry)) {
    error.retry_after = DurationOf(retry.retry_delay());
  } else if (google::rpc::BadRequest bad; any.Is<google::rpc::BadRequest>() && any.UnpackTo(&bad)) {
    for (const auto& violation : bad.field_violations()) {
      error.fields.push_back({violation.field(), violation.description()});
    }
  }
}

// What gRPC's text says of the cause, in a few words of ours; empty where it is none of the usual.
std::string CauseOf(std::string_view text) {
  struct Cause {
    std::string_view sign;
    std::string_view words;
  };
  static constexpr std::array<Cause, 12> kCauses = {{
      {"Connection refused", "connection refused"},
      {"Network is unreachable", "network is unreachable"},
      {"No route to host", "no route to host"},
      {"timed out", "no answer to the connection"},
      {"No such file", "no such socket"},
      {"Permission denied", "permission denied"},
      {"DNS resolution failed", "the name does not resolve"},
      {"name resolution", "the name does not resolve"},
      {"http1.x server", "not a gRPC server"},
      {"Socket closed", "the connection was closed"},
      {"reset by peer", "the connection was closed"},
      {"Broken pipe", "the connection was closed"},
  }};
  for (const Cause& cause : kCauses) {
    if (text.find(cause.sign) != std::string_view::npos) return std::string(cause.words);
  }
  return {};
}

}  // namespace

Error ErrorOf(const google::rpc::Status& status) {
  Error error;
  error.code = CodeOf(status.code());
  error.message = status.message();
  for (int d = 0; d < status.details_size() && d < kMaxDetails; ++d) {
    ReadDetail(status.details(d), error);
  }
  return error;
}

Error ErrorOf(const grpc::Status& status, bool connected) {
  if (status.ok()) return {};
  Error error;
  if (google::rpc::Status details;
      !status.error_details().empty() && details.ParseFromString(status.error_details())) {
    error = ErrorOf(details);
  }
  error.code = status.error_code();
  error.message = status.error_message();
  if (!error.reason.empty()) return error;
  // Every error of the server has a reason; those below are made by this side.
  if (error.message.starts_with("Failed to create")) {
    error.origin = Error::Origin::kUnreachable;
    error.message = "not an address";
  } else if (error.message.starts_with("Received http2 header with status")) {
    error.origin = Error::Origin::kUnreachable;
    error.message = "not a gRPC server";
  } else if (error.code == grpc::StatusCode::DEADLINE_EXCEEDED) {
    error.origin = connected ? Error::Origin::kNoAnswer : Error::Origin::kUnreachable;
    error.message = connected ? "no answer" : "no answer to the connection";
  } else if (error.code == grpc::StatusCode::UNAVAILABLE) {
    const bool never = error.message.find("failed to connect") != std::string::npos ||
                       error.message.find("resol") != std::string::npos;
    error.origin = never ? Error::Origin::kUnreachable : Error::Origin::kLost;
    const std::string cause = CauseOf(error.message);
    error.message = !cause.empty() ? cause : never ? "no connection" : "the connection broke";
  }
  return error;
}

std::string_view CodeName(grpc::StatusCode code) {
  static constexpr std::array<std::string_view, 17> kNames = {"OK",
                                                              "CANCELLED",
                                                              "UNKNOWN",
                                                              "INVALID_ARGUMENT",
                                                              "DEADLINE_EXCEEDED",
                                                              "NOT_FOUND",
                                                              "ALREADY_EXISTS",
                                                              "PERMISSION_DENIED",
                                                              "RESOURCE_EXHAUSTED",
                                                              "FAILED_PRECONDITION",
                                                              "ABORTED",
                                                              "OUT_OF_RANGE",
                                                              "UNIMPLEMENTED",
                                                              "INTERNAL",
                                                              "UNAVAILABLE",
                                                              "DATA_LOSS",
                                                              "UNAUTHENTICATED"};
  return kNames[static_cast<std::size_t>(CodeOf(code))];
}

std::string_view ErrorKind(const Error& error) {
  if (!error.reason.empty()) return error.reason;
  switch (error.origin) {
    case Error::Origin::kServer:
      return CodeName(error.code);
    case Error::Origin::kUnreachable:
      return "UNREACHABLE";
    case Error::Origin::kLost:
      return "CONNECTION_LOST";
    case Error::Origin::kNoAnswer:
      return "NO_ANSWER";
  }
  return "UNKNOWN";
}

}  // namespace objpool::client
