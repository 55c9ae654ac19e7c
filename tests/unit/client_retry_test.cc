// What a Client repeats, with what pauses, and what it never does.
#include "client/retry.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "client/client.h"
#include "tests/support/fake_service.h"

namespace objpool::client {
namespace {

using ::objpool::testing::FakeError;
using ::objpool::testing::FakeService;

Error ErrorWith(grpc::StatusCode code, const std::string& reason) {
  return ErrorOf(FakeError(code, reason, "as a test wants it"));
}

Client PatientClient(const std::string& address, Milliseconds timeout = std::chrono::minutes(1)) {
  return Client({.address = address,
                 .timeout = timeout,
                 .own_connection = true,
                 .retry = {.max_attempts = 100,
                           .first_backoff = Milliseconds(1),
                           .max_backoff = Milliseconds(20)}});
}

v1::LeaseRequest LeaseOf(const std::string& id = "") {
  v1::LeaseRequest request;
  request.set_pool("ids");
  request.set_request_id(id);
  return request;
}

TEST(ClientRetry, RepeatsOnlyWhatIsWorthIt) {
  EXPECT_TRUE(MayRepeat(ErrorWith(grpc::StatusCode::UNAVAILABLE, "RESTART_GRACE")));
  EXPECT_TRUE(MayRepeat(ErrorWith(grpc::StatusCode::ABORTED, "REQUEST_PENDING")));
  EXPECT_TRUE(MayRepeat(ErrorOf({grpc::StatusCode::UNAVAILABLE, "Socket closed"}, false)));
  EXPECT_FALSE(MayRepeat(ErrorWith(grpc::StatusCode::ABORTED, "SESSION_TAKEN_OVER")));
  EXPECT_FALSE(MayRepeat(ErrorWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "POOL_EXHAUSTED")));
  EXPECT_FALSE(MayRepeat(ErrorWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "OVERLOADED")));
  EXPECT_FALSE(MayRepeat(ErrorWith(grpc::StatusCode::DEADLINE_EXCEEDED, "WAITED_TOO_LONG")));
  EXPECT_FALSE(MayRepeat(ErrorOf({grpc::StatusCode::DEADLINE_EXCEEDED, "late"}, true)));
  EXPECT_FALSE(MayRepeat(ErrorWith(grpc::StatusCode::NOT_FOUND, "POOL_UNKNOWN")));
}

TEST(ClientRetry, PausesAreRandomAndGrowToABound) {
  const RetryOptions options{.first_backoff = Milliseconds(10), .max_backoff = Milliseconds(50)};
  const Error error = ErrorWith(grpc::StatusCode::UNAVAILABLE, "");
  EXPECT_EQ(PauseAfter(1, error, options, 0), Milliseconds(0));
  EXPECT_EQ(PauseAfter(1, error, options, 10), Milliseconds(10));
  EXPECT_EQ(PauseAfter(2, error, options, 20), Milliseconds(20));
  EXPECT_EQ(PauseAfter(3, error, options, 50), Milliseconds(40 - 31));
  for (const uint32_t failed : {4u, 50u, UINT32_MAX}) {
    EXPECT_LE(PauseAfter(failed, error, options, RandomNumber()), Milliseconds(50));
    EXPECT_EQ(PauseAfter(failed, error, options, 50), Milliseconds(50));
  }
  Error asks = error;
  asks.retry_after = Milliseconds(700);
  EXPECT_EQ(PauseAfter(1, asks, options, 3), Milliseconds(703));
}

TEST(ClientRetry, RequestIdsAreDifferentWordsOf32Digits) {
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) ids.insert(NewRequestId());
  EXPECT_EQ(ids.size(), 100u);
  for (const std::string& id : ids) EXPECT_EQ(id.size(), 32u);
}

TEST(ClientRetry, ALostAnswerIsFetchedAndNothingLeasedTwice) {
  FakeService service;
  const Client client = PatientClient(service.address());
  service.lose_answers = 2;
  const auto leased = client.Lease(LeaseOf());
  ASSERT_TRUE(leased.ok()) << leased.error.message;
  EXPECT_EQ(service.granted(), 1u);
  EXPECT_EQ(service.leased(), 1u);
  const Ref ref = RefOf("ids", leased.value.grants(0).ref());
  service.lose_answers = 1;
  const BatchResult returned = client.Return("ids", {&ref, 1});
  EXPECT_TRUE(returned.items[0].error.ok());
  EXPECT_TRUE(returned.items[0].already_returned);
}

TEST(ClientRetry, GoesOnUntilAServerComesBack) {
  FakeService first;
  const std::string address = first.address();
  first.Stop();
  const Client client = PatientClient(address);
  std::optional<FakeService> second;
  const std::jthread restart([&] {
    const Client probe({.address = address, .own_connection = true});
    while (probe.GetPool("ids").error.origin != Error::Origin::kUnreachable) continue;
    second.emplace(8, address);
  });
  EXPECT_TRUE(client.GetPool("ids").ok());
}

TEST(ClientRetry, StopsWhereThePauseWouldOutlastTheCall) {
  FakeService service;
  const Client client = PatientClient(service.address());
  auto refusal = FakeError(grpc::StatusCode::UNAVAILABLE, "RESTART_GRACE", "not yet");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(3600);
  refusal.add_details()->PackFrom(retry);
  service.Refuse(refusal);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(client.Lease(LeaseOf()).error.reason, "RESTART_GRACE");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(service.lease_calls(), 1u);
}

TEST(ClientRetry, WhatIsExhaustedIsAskedOnce) {
  FakeService service(0);
  const Client client = PatientClient(service.address());
  EXPECT_EQ(client.Lease(LeaseOf()).error.reason, "POOL_EXHAUSTED");
  EXPECT_EQ(service.lease_calls(), 1u);
}

TEST(ClientRetry, GivesARequestIdOnlyWhereItMayRepeatAndNeverAnotherOne) {
  FakeService service;
  const Client plain({.address = service.address(), .own_connection = true});
  EXPECT_TRUE(plain.Lease(LeaseOf()).ok());
  EXPECT_EQ(service.last_request_id(), "");
  service.lose_answers = 1;
  EXPECT_EQ(plain.Lease(LeaseOf()).error.code, grpc::StatusCode::UNAVAILABLE);
  const Client client = PatientClient(service.address());
  EXPECT_TRUE(client.Lease(LeaseOf()).ok());
  EXPECT_EQ(service.last_request_id().size(), 32u);
  EXPECT_TRUE(client.Lease(LeaseOf("mine")).ok());
  EXPECT_EQ(service.last_request_id(), "mine");
}

}  // namespace
}  // namespace objpool::client
