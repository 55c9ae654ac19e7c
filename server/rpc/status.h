// Status: how a call ended, in gRPC's canonical codes but free of any engine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace objpool::rpc {

// The numbers are those of the wire.
enum class Code : uint8_t {
  kOk,
  kCancelled,
  kUnknown,
  kInvalidArgument,
  kDeadlineExceeded,
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kResourceExhausted,
  kFailedPrecondition,
  kAborted,
  kOutOfRange,
  kUnimplemented,
  kInternal,
  kUnavailable,
  kDataLoss,
  kUnauthenticated,
};
inline constexpr std::size_t kCodes = 17;

// Names as metrics print them, indexed by Code.
inline constexpr std::array<const char*, kCodes> kCodeNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

struct Status {
  Code code = Code::kOk;
  std::string message;
  // A serialized google.rpc.Status for the trailer grpc-status-details-bin, or empty.
  std::string details;
  // For the trailer grpc-retry-pushback-ms, of gRPC's proposal A6: when to ask again. 0: none.
  uint64_t retry_ms = 0;

  [[nodiscard]] bool ok() const { return code == Code::kOk; }
};

}  // namespace objpool::rpc
