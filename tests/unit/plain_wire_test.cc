// Plain operations against protobuf: what is read says the same there, what is written reads as it.
#include "server/service/plain_wire.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <array>
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

// The messages that they are read from.
v1::LeaseRequest MessageOf(const PlainLease& plain) {
  v1::LeaseRequest request;
  request.set_pool(std::string(plain.pool));
  request.set_holder(std::string(plain.holder));
  if (plain.count != 1) request.set_count(plain.count);
  if (plain.ttl) {
    request.mutable_ttl()->set_seconds(plain.ttl->seconds);
    request.mutable_ttl()->set_nanos(plain.ttl->nanos);
  }
  return request;
}

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
  *operation.mutable_lease() = MessageOf(plain.lease);
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

TEST(PlainWire, WhatIsReadIsWhatWasWritten) {
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
TEST(PlainWire, DamagedBytesMeanWhatProtobufSaysOrNothing) {
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

TEST(PlainWire, WhatIsNotPlainIsLeftToProtobuf) {
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

TEST(PlainWire, AnswersReadAsMessages) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  struct Case {
    std::vector<lease::GrantRef> refs;
    int64_t first_id;
    GrantTimes times;
  };
  const lease::GrantRef most = {.handle = kMost, .fence = kMost, .key = kMost};
  for (const Case& given : {
           Case{{{}}, 0, {}},
           Case{{{.handle = 7, .fence = 1, .key = 2}, {}, most},
                -2,
                {.ttl_ms = 1500, .expire_ns = 1'700'000'000'123'456'789}},
           Case{{most},
                kLeast + 1,
                {.ttl_ms = 604'800'999, .expire_ns = std::numeric_limits<int64_t>::max()}},
       }) {
    v1::LeaseResponse wanted;
    for (const lease::GrantRef& ref : given.refs) {
      v1::Grant& to = *wanted.add_grants();
      to.mutable_ref()->set_handle(ref.handle);
      to.mutable_ref()->set_fence(ref.fence);
      to.mutable_ref()->set_key(ref.key);
      to.set_id(given.first_id + static_cast<int64_t>(ref.handle));
    }
    const auto ttl_ms = static_cast<int64_t>(given.times.ttl_ms);
    wanted.mutable_ttl()->set_seconds(ttl_ms / 1000);
    wanted.mutable_ttl()->set_nanos(static_cast<int32_t>(ttl_ms % 1000) * 1'000'000);
    wanted.mutable_expire_time()->set_seconds(given.times.expire_ns / 1'000'000'000);
    wanted.mutable_expire_time()->set_nanos(
        static_cast<int32_t>(given.times.expire_ns % 1'000'000'000));
    std::string bytes;
    AppendLeaseReply(given.refs, given.first_id, given.times, bytes);
    EXPECT_EQ(bytes, wanted.SerializeAsString()) << "as protobuf writes it";

    wanted.mutable_grants()->DeleteSubrange(1, wanted.grants_size() - 1);
    for (const uint64_t id : {uint64_t{0}, uint64_t{1}, kMost}) {
      v1::SessionResponse response;
      v1::SessionAnswer& leased = *response.add_answers();
      leased.set_id(id);
      *leased.mutable_lease() = wanted;
      v1::SessionAnswer& returned = *response.add_answers();
      returned.set_id(id);
      returned.mutable_give_back()->add_results()->set_already_returned(id == 1);
      v1::SessionAnswer& part = *response.add_answers();
      part.mutable_error()->set_message(std::string(200, 'x'));
      bytes.clear();
      AppendLeaseAnswer(id, given.refs.front(), given.first_id, given.times, bytes);
      AppendReturnAnswer(id, id == 1, bytes);
      AppendPart(v1::SessionResponse::kAnswersFieldNumber, part, bytes);
      EXPECT_EQ(bytes, response.SerializeAsString()) << response.DebugString();
    }
  }
  v1::ReturnResponse returned;
  for (int i = 0; i < 3; ++i) returned.add_results();
  std::string bytes;
  AppendReturnReply(3, bytes);
  EXPECT_EQ(bytes, returned.SerializeAsString());
}

// A Lease of many, a Return of many; and their limits.
TEST(PlainWire, CallsAreReadToo) {
  v1::LeaseRequest lease;
  PlainLease plain_lease;
  const auto reads_lease = [&] {
    static std::string bytes;
    bytes = lease.SerializeAsString();
    plain_lease = {};
    return ReadPlainLease(bytes, plain_lease);
  };
  lease.set_pool("a");
  EXPECT_TRUE(reads_lease());
  EXPECT_EQ(plain_lease.count, 1u);
  for (const uint32_t count : {1u, 2u, lease::kMaxBatch}) {
    lease.set_count(count);
    for (const uint32_t least : {0u, count}) {
      lease.set_min_count(least);
      ASSERT_TRUE(reads_lease()) << count;
      EXPECT_EQ(plain_lease.count, count);
    }
    lease.set_min_count(count + 1);
    EXPECT_FALSE(reads_lease());
    lease.clear_min_count();
  }
  lease.set_count(lease::kMaxBatch + 1);
  EXPECT_FALSE(reads_lease());

  v1::ReturnRequest give_back;
  PlainReturn plain_return;
  lease::BatchRoom<lease::GrantRef> room;
  const auto reads_return = [&] {
    static std::string bytes;
    bytes = give_back.SerializeAsString();
    return ReadPlainReturn(bytes, room, plain_return);
  };
  give_back.set_pool("a");
  EXPECT_FALSE(reads_return()) << "no items";
  for (uint64_t i = 1; i <= lease::kMaxBatch; ++i) {
    v1::GrantRef& ref = *give_back.add_items()->mutable_grant();
    ref.set_handle(i);
    ref.set_fence(2 * i);
    ref.set_key(3 * i);
  }
  ASSERT_TRUE(reads_return());
  ASSERT_EQ(plain_return.refs.size(), lease::kMaxBatch);
  for (uint64_t i = 1; i <= lease::kMaxBatch; ++i) {
    const lease::GrantRef& ref = plain_return.refs[i - 1];
    EXPECT_EQ((std::array{ref.handle, ref.fence, ref.key}), (std::array{i, 2 * i, 3 * i}));
  }
  give_back.add_items()->mutable_grant();
  EXPECT_FALSE(reads_return()) << "one too many";
  give_back.mutable_items()->DeleteSubrange(2, give_back.items_size() - 2);
  EXPECT_TRUE(reads_return());
  give_back.mutable_items(1)->set_disposition(v1::DISPOSITION_BROKEN);
  EXPECT_FALSE(reads_return());
}

}  // namespace
}  // namespace objpool::server
