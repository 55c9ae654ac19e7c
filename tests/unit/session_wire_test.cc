// Plain operations against protobuf: what is read says the same there, what is written reads as it.
#include "server/service/session_wire.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "objpool/v1/lease_service.pb.h"

namespace objpool::server {
namespace {

using google::protobuf::util::MessageDifferencer;

std::vector<PlainOperation> Read(const std::string& bytes) {
  std::vector<PlainOperation> operations;
  return ReadPlainOperations(bytes, operations) ? operations : std::vector<PlainOperation>();
}

std::vector<PlainOperation> Read(const v1::SessionRequest& request) {
  static std::string bytes;  // what is read lies in it
  bytes = request.SerializeAsString();
  return Read(bytes);
}

// The message that an operation is read from.
v1::SessionOperation MessageOf(const PlainOperation& plain) {
  v1::SessionOperation operation;
  operation.set_id(plain.id);
  if (!plain.is_lease) {
    v1::ReturnRequest& request = *operation.mutable_give_back();
    request.set_pool(std::string(plain.pool));
    v1::GrantRef& ref = *request.add_items()->mutable_grant();
    ref.set_handle(plain.ref.handle);
    ref.set_fence(plain.ref.fence);
    ref.set_key(plain.ref.key);
    return operation;
  }
  v1::LeaseRequest& request = *operation.mutable_lease();
  request.set_pool(std::string(plain.pool));
  request.set_holder(std::string(plain.holder));
  if (plain.ttl) {
    request.mutable_ttl()->set_seconds(plain.ttl->seconds);
    request.mutable_ttl()->set_nanos(plain.ttl->nanos);
  }
  return operation;
}

// Of what a plain operation need not say: counts of 1, and that a handle is clean.
void DropDefaults(v1::SessionOperation& operation) {
  if (operation.has_lease()) {
    if (operation.lease().count() == 1) operation.mutable_lease()->clear_count();
    if (operation.lease().min_count() == 1) operation.mutable_lease()->clear_min_count();
  } else if (operation.has_give_back()) {
    operation.mutable_give_back()->mutable_items(0)->clear_disposition();
  }
}

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  v1::SessionRequest Make() {
    v1::SessionRequest request;
    const uint64_t count = 1 + Below(4);
    for (uint64_t i = 0; i < count; ++i) {
      v1::SessionOperation& operation = *request.add_operations();
      operation.set_id(Number());
      Below(2) == 0 ? MakeLease(*operation.mutable_lease())
                    : MakeReturn(*operation.mutable_give_back());
    }
    return request;
  }

  uint64_t Below(uint64_t end) { return random_() % end; }

 private:
  uint64_t Number() { return random_() >> Below(64); }

  void MakeLease(v1::LeaseRequest& lease) {
    lease.set_pool(std::string(Below(200), 'p'));
    if (Below(2) == 0) lease.set_holder("me");
    if (Below(2) == 0) lease.set_count(1);
    if (Below(2) == 0) lease.set_min_count(1);
    if (Below(2) != 0) return;
    lease.mutable_ttl()->set_seconds(static_cast<int64_t>(Number()));
    lease.mutable_ttl()->set_nanos(static_cast<int32_t>(Number()));
  }

  void MakeReturn(v1::ReturnRequest& request) {
    request.set_pool("workers");
    v1::ReturnItem& item = *request.add_items();
    if (Below(2) == 0) item.set_disposition(v1::DISPOSITION_CLEAN);
    item.mutable_grant()->set_handle(Below(2) * Number());
    item.mutable_grant()->set_fence(Number());
    item.mutable_grant()->set_key(Number());
  }

  std::mt19937_64 random_;
};

TEST(SessionWire, WhatIsReadIsWhatWasWritten) {
  Maker maker(1);
  for (int round = 0; round < 20'000; ++round) {
    v1::SessionRequest request = maker.Make();
    const std::vector<PlainOperation> operations = Read(request);
    ASSERT_EQ(operations.size(), static_cast<std::size_t>(request.operations_size()))
        << request.DebugString();
    for (int i = 0; i < request.operations_size(); ++i) {
      DropDefaults(*request.mutable_operations(i));
      const v1::SessionOperation read = MessageOf(operations[static_cast<std::size_t>(i)]);
      ASSERT_TRUE(MessageDifferencer::Equals(read, request.operations(i)))
          << read.DebugString() << request.operations(i).DebugString();
    }
  }
}

// Bytes that are nearly right: what is read nevertheless, protobuf reads likewise.
TEST(SessionWire, DamagedBytesMeanWhatProtobufSaysOrNothing) {
  Maker maker(2);
  int read = 0;
  for (int round = 0; round < 300'000; ++round) {
    std::string bytes = maker.Make().SerializeAsString();
    for (uint64_t i = 0; i <= maker.Below(3); ++i) {
      bytes[maker.Below(bytes.size())] = static_cast<char>(maker.Below(256));
    }
    if (maker.Below(4) == 0) bytes.resize(maker.Below(bytes.size() + 1));
    const std::vector<PlainOperation> operations = Read(bytes);
    if (operations.empty()) continue;
    ++read;
    v1::SessionRequest request;
    ASSERT_TRUE(request.ParseFromString(bytes)) << testing::PrintToString(bytes);
    ASSERT_EQ(operations.size(), static_cast<std::size_t>(request.operations_size()));
    for (int i = 0; i < request.operations_size(); ++i) {
      DropDefaults(*request.mutable_operations(i));
      ASSERT_TRUE(MessageDifferencer::Equals(MessageOf(operations[static_cast<std::size_t>(i)]),
                                             request.operations(i)))
          << request.DebugString();
    }
  }
  EXPECT_GT(read, 10'000);  // else it shows nothing
}

v1::SessionRequest One(void (*fill)(v1::SessionOperation& operation)) {
  v1::SessionRequest request;
  request.add_operations()->mutable_lease()->set_pool("a");
  fill(*request.mutable_operations(0));
  return request;
}

TEST(SessionWire, WhatIsNotPlainIsLeftToProtobuf) {
  using Operation = v1::SessionOperation;
  ASSERT_EQ(Read(One([](Operation&) {})).size(), 1u);
  for (const v1::SessionRequest& request : {
           One([](Operation& to) { to.mutable_lease()->set_count(2); }),
           One([](Operation& to) { to.mutable_lease()->set_priority(1); }),
           One([](Operation& to) { to.mutable_lease()->set_request_id("x"); }),
           One([](Operation& to) { to.mutable_lease()->mutable_max_wait(); }),
           One([](Operation& to) { to.mutable_lease()->set_state(v1::HANDLE_STATE_DIRTY); }),
           One([](Operation& to) { to.mutable_lease()->add_selector(); }),
           One([](Operation& to) { to.mutable_lease()->set_near_numa_node(0); }),
           One([](Operation& to) { to.mutable_lease()->set_pool("\xc3\xa4"); }),
           One([](Operation& to) { to.mutable_lease()->set_holder("\xc3\xa4"); }),
           One([](Operation& to) { to.clear_operation(); }),
           One([](Operation& to) { to.mutable_renew(); }),
           One([](Operation& to) { to.mutable_heartbeat(); }),
           One([](Operation& to) { to.mutable_give_back(); }),
           One([](Operation& to) { to.mutable_give_back()->add_items(); }),
           One([](Operation& to) {
             to.mutable_give_back()->add_items()->mutable_grant();
             to.mutable_give_back()->add_items()->mutable_grant();
           }),
           One([](Operation& to) {
             v1::ReturnItem& item = *to.mutable_give_back()->add_items();
             item.mutable_grant();
             item.set_disposition(v1::DISPOSITION_DIRTY);
           }),
       }) {
    EXPECT_THAT(Read(request), testing::IsEmpty()) << request.DebugString();
  }
  v1::SessionRequest request;
  EXPECT_THAT(Read(request), testing::IsEmpty());
  for (std::size_t i = 0; i < kMaxPlainOperations; ++i) request.add_operations()->mutable_lease();
  EXPECT_EQ(Read(request).size(), kMaxPlainOperations);
  request.add_operations()->mutable_lease();
  EXPECT_THAT(Read(request), testing::IsEmpty());
  request = One([](Operation&) {});
  request.mutable_start();
  EXPECT_THAT(Read(request), testing::IsEmpty());
}

TEST(SessionWire, AnswersReadAsMessages) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  const PlainGrant grants[] = {
      {.ref = {}, .value = 0, .ttl_ms = 0, .expire_ns = 0},
      {.ref = {.handle = 7, .fence = 1, .key = 2},
       .value = 5,
       .ttl_ms = 1500,
       .expire_ns = 1'700'000'000'123'456'789},
      {.ref = {.handle = kMost, .fence = kMost, .key = kMost},
       .value = kLeast,
       .ttl_ms = 604'800'999,
       .expire_ns = std::numeric_limits<int64_t>::max()},
  };
  for (const PlainGrant& grant : grants) {
    for (const uint64_t id : {uint64_t{0}, uint64_t{1}, kMost}) {
      std::string bytes;
      AppendLeaseAnswer(id, grant, bytes);
      AppendReturnAnswer(id, grant.value == 0, bytes);
      v1::SessionAnswer part;
      part.set_id(id);
      part.mutable_error()->set_message(std::string(200, 'x'));
      AppendPart(v1::SessionResponse::kAnswersFieldNumber, part, bytes);

      v1::SessionResponse wanted;
      v1::SessionAnswer& leased = *wanted.add_answers();
      leased.set_id(id);
      v1::Grant& to = *leased.mutable_lease()->add_grants();
      to.mutable_ref()->set_handle(grant.ref.handle);
      to.mutable_ref()->set_fence(grant.ref.fence);
      to.mutable_ref()->set_key(grant.ref.key);
      to.set_id(grant.value);
      leased.mutable_lease()->mutable_ttl()->set_seconds(static_cast<int64_t>(grant.ttl_ms / 1000));
      leased.mutable_lease()->mutable_ttl()->set_nanos(static_cast<int32_t>(grant.ttl_ms % 1000) *
                                                       1'000'000);
      leased.mutable_lease()->mutable_expire_time()->set_seconds(grant.expire_ns / 1'000'000'000);
      leased.mutable_lease()->mutable_expire_time()->set_nanos(
          static_cast<int32_t>(grant.expire_ns % 1'000'000'000));
      v1::SessionAnswer& returned = *wanted.add_answers();
      returned.set_id(id);
      returned.mutable_give_back()->add_results()->set_already_returned(grant.value == 0);
      *wanted.add_answers() = part;

      v1::SessionResponse read;
      ASSERT_TRUE(read.ParseFromString(bytes));
      EXPECT_TRUE(MessageDifferencer::Equals(read, wanted)) << read.DebugString();
      EXPECT_EQ(bytes, wanted.SerializeAsString()) << "as protobuf writes it";
    }
  }
}

}  // namespace
}  // namespace objpool::server
