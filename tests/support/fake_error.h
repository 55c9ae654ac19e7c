// FakeError: errors as objpoold makes them.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace objpool::testing {

inline google::rpc::Status FakeError(grpc::StatusCode code, const std::string& reason,
                                     const std::string& message) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("objpool");
  status.add_details()->PackFrom(info);
  if (reason == "POOL_EXHAUSTED") {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(2'000'000);
    status.add_details()->PackFrom(retry);
  }
  if (reason == "BAD_FIELD") {
    google::rpc::BadRequest bad;
    bad.add_field_violations()->set_field("ttl");
    bad.mutable_field_violations(0)->set_description("at most 1h");
    status.add_details()->PackFrom(bad);
  }
  return status;
}

inline grpc::Status AsCallStatus(const google::rpc::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), status.message(),
          status.SerializeAsString()};
}

}  // namespace objpool::testing
