#include "client/error.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/fake_service.h"

namespace objpool::client {
namespace {

using ::objpool::testing::AsCallStatus;
using ::objpool::testing::FakeError;

TEST(ClientError, OkIsNoError) {
  EXPECT_TRUE(ErrorOf(grpc::Status::OK, true).ok());
  EXPECT_TRUE(ErrorOf(google::rpc::Status()).ok());
}

TEST(ClientError, HasReasonAndTimeToRetry) {
  const auto sent =
      FakeError(grpc::StatusCode::RESOURCE_EXHAUSTED, "POOL_EXHAUSTED", "no free handle");
  const Error error = ErrorOf(AsCallStatus(sent), true);
  EXPECT_EQ(error.code, grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.origin, Error::Origin::kServer);
  EXPECT_EQ(error.reason, "POOL_EXHAUSTED");
  EXPECT_EQ(error.message, "no free handle");
  EXPECT_EQ(error.retry_after, Milliseconds(2));
  EXPECT_EQ(ErrorKind(error), "POOL_EXHAUSTED");
}

TEST(ClientError, HasFieldsOfABadRequest) {
  const Error error =
      ErrorOf(FakeError(grpc::StatusCode::INVALID_ARGUMENT, "BAD_FIELD", "ttl is out of range"));
  ASSERT_EQ(error.fields.size(), 1u);
  EXPECT_EQ(error.fields[0].field, "ttl");
  EXPECT_EQ(error.fields[0].description, "at most 1h");
}

TEST(ClientError, AServersUnavailableIsTheServers) {
  const auto sent = FakeError(grpc::StatusCode::UNAVAILABLE, "SHUTTING_DOWN", "going down");
  const Error error = ErrorOf(AsCallStatus(sent), true);
  EXPECT_EQ(error.origin, Error::Origin::kServer);
  EXPECT_EQ(error.message, "going down");
}

TEST(ClientError, TellsWhyThereIsNoConnection) {
  const grpc::Status status(
      grpc::StatusCode::UNAVAILABLE,
      "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to "
      "connect to remote host: Connection refused");
  const Error error = ErrorOf(status, false);
  EXPECT_EQ(error.origin, Error::Origin::kUnreachable);
  EXPECT_EQ(error.message, "connection refused");
  EXPECT_EQ(ErrorKind(error), "UNREACHABLE");
}

TEST(ClientError, OutOfTimeDependsOnTheConnection) {
  const grpc::Status status(grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded");
  EXPECT_EQ(ErrorOf(status, true).origin, Error::Origin::kNoAnswer);
  EXPECT_EQ(ErrorOf(status, false).origin, Error::Origin::kUnreachable);
}

TEST(ClientError, ABrokenConnectionIsNotCalledUnreachable) {
  const Error error = ErrorOf({grpc::StatusCode::UNAVAILABLE, "Socket closed"}, false);
  EXPECT_EQ(error.origin, Error::Origin::kLost);
  EXPECT_EQ(error.message, "the connection was closed");
}

TEST(ClientError, WhatIsNoServerOfOursIsUnreachable) {
  const grpc::Status web(grpc::StatusCode::UNIMPLEMENTED, "Received http2 header with status: 404");
  EXPECT_EQ(ErrorOf(web, true).origin, Error::Origin::kUnreachable);
  EXPECT_EQ(ErrorOf(web, true).message, "not a gRPC server");
  const grpc::Status lame(grpc::StatusCode::UNKNOWN, "Failed to create secure client channel");
  EXPECT_EQ(ErrorOf(lame, false).origin, Error::Origin::kUnreachable);
}

TEST(ClientError, JunkInTheDetailsDoesNoHarm) {
  const Error junk = ErrorOf({grpc::StatusCode::NOT_FOUND, "gone", "\xff\xff\xff\x01"}, true);
  EXPECT_EQ(junk.code, grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(junk.message, "gone");
  google::rpc::Status status;
  status.set_code(4711);
  auto* any = status.add_details();
  any->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  any->set_value("\xff\xff");
  EXPECT_EQ(ErrorOf(status).code, grpc::StatusCode::UNKNOWN);
  EXPECT_EQ(ErrorKind(ErrorOf(status)), "UNKNOWN");
}

}  // namespace
}  // namespace objpool::client
