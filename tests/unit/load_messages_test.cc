// The messages and headers of loads: the same bytes as protobuf's and libnghttp2's.
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/header_blocks.h"
#include "client/load/lease_messages.h"
#include "client/load/rising_fences.h"
#include "client/load/session_messages.h"
#include "client/load/wire.h"
#include "objpool/v1/lease_service.pb.h"

namespace objpool::load {
namespace {

v1::LeaseResponse ResponseOf(uint64_t grants) {
  v1::LeaseResponse response;
  for (uint64_t i = 0; i < grants; ++i) {
    v1::Grant& grant = *response.add_grants();
    grant.mutable_ref()->set_handle(i);  // the first one is 0, and is not sent
    grant.mutable_ref()->set_fence(i + 1);
    grant.mutable_ref()->set_key(~i);
    grant.set_id(static_cast<int64_t>(i) - 1);
  }
  response.mutable_ttl()->set_seconds(30);
  response.mutable_expire_time()->set_seconds(1'800'000'000);
  return response;
}

TEST(LoadMessages, ALeaseRequestIsWhatProtobufReads) {
  v1::LeaseRequest request;
  ASSERT_TRUE(request.ParseFromString(LeaseRequestBytes("ids", 300)));
  EXPECT_EQ(request.pool(), "ids");
  EXPECT_EQ(request.count(), 300u);
}

TEST(LoadMessages, GrantsAreReturnedAsTheyWereLeased) {
  const v1::LeaseResponse response = ResponseOf(70);
  const std::string bytes = response.SerializeAsString();
  std::vector<GrantBytes> grants;
  ASSERT_TRUE(ReadGrants(bytes, grants));
  ASSERT_EQ(grants.size(), 70u);
  EXPECT_EQ(grants[0].handle, 0u);
  EXPECT_EQ(grants[69].handle, 69u);
  EXPECT_EQ(grants[69].fence, 70u);
  std::string request_bytes;
  AppendReturnRequest("ids", grants, request_bytes);
  v1::ReturnRequest request;
  ASSERT_TRUE(request.ParseFromString(request_bytes));
  EXPECT_EQ(request.pool(), "ids");
  ASSERT_EQ(request.items_size(), 70);
  for (int i = 0; i < 70; ++i) {
    EXPECT_EQ(request.items(i).grant().SerializeAsString(),
              response.grants(i).ref().SerializeAsString());
  }
}

TEST(LoadMessages, GrantsAreRenewedAsTheyWereLeased) {
  const v1::LeaseResponse response = ResponseOf(3);
  const std::string bytes = response.SerializeAsString();
  std::vector<GrantBytes> grants;
  ASSERT_TRUE(ReadGrants(bytes, grants));
  std::string request_bytes;
  AppendRenewRequest("ids", grants, 1500, request_bytes);
  v1::RenewRequest request;
  ASSERT_TRUE(request.ParseFromString(request_bytes));
  EXPECT_EQ(request.pool(), "ids");
  ASSERT_EQ(request.grants_size(), 3);
  EXPECT_EQ(request.grants(2).SerializeAsString(), response.grants(2).ref().SerializeAsString());
  EXPECT_EQ(request.ttl().seconds(), 1);
  EXPECT_EQ(request.ttl().nanos(), 500'000'000);
}

TEST(SessionMessages, OperationsAreWhatProtobufReads) {
  std::string bytes;
  AppendSessionStart(bytes);
  AppendOperation(0, SessionVerb::kLease, LeaseRequestBytes("ids", 300), bytes);
  AppendOperation(799, SessionVerb::kGoodbye, {}, bytes);
  v1::SessionRequest request;
  ASSERT_TRUE(request.ParseFromString(bytes));
  ASSERT_TRUE(request.start().has_linger());
  EXPECT_EQ(request.start().linger().seconds(), 0);
  ASSERT_EQ(request.operations_size(), 2);
  EXPECT_EQ(request.operations(0).id(), 0u);
  EXPECT_EQ(request.operations(0).lease().count(), 300u);
  EXPECT_EQ(request.operations(1).id(), 799u);
  EXPECT_TRUE(request.operations(1).has_goodbye());
}

TEST(SessionMessages, AnswersAreReadAsProtobufWritesThem) {
  v1::SessionResponse response;
  response.mutable_opened()->set_token("secret");
  *response.add_answers()->mutable_lease() = ResponseOf(2);
  v1::SessionAnswer& refusal = *response.add_answers();
  refusal.set_id(3);
  refusal.mutable_error()->set_code(8);
  refusal.mutable_error()->set_message("nothing is free");
  v1::SessionAnswer& renewed = *response.add_answers();
  renewed.set_id(300);
  renewed.mutable_renew()->add_results();
  response.add_notices()->set_kind(v1::SESSION_NOTICE_KIND_DRAIN);
  const std::string bytes = response.SerializeAsString();
  std::vector<SessionAnswer> answers(7);
  ASSERT_TRUE(ReadAnswers(bytes, answers));
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].id, 0u);
  EXPECT_EQ(answers[0].verb, SessionVerb::kLease);
  EXPECT_EQ(answers[0].reply, ResponseOf(2).SerializeAsString());
  EXPECT_EQ(answers[1].id, 3u);
  EXPECT_EQ(answers[1].status, 8u);
  EXPECT_EQ(answers[2].id, 300u);
  EXPECT_EQ(answers[2].verb, SessionVerb::kRenew);
  EXPECT_TRUE(SaysAllRenewed(answers[2].reply, 1));
}

TEST(SessionMessages, AnswersThatSayNothingAreNone) {
  std::vector<SessionAnswer> answers;
  v1::SessionResponse response;
  response.add_answers()->set_id(1);
  EXPECT_FALSE(ReadAnswers(response.SerializeAsString(), answers));
  response.mutable_answers(0)->mutable_error();
  EXPECT_FALSE(ReadAnswers(response.SerializeAsString(), answers)) << "an error of code OK";
  const std::string broken = "\x12\x05\x08";
  EXPECT_FALSE(ReadAnswers(broken, answers));
}

TEST(LoadMessages, OnlyARenewalOfAllIsOne) {
  v1::RenewResponse response;
  response.add_results();
  response.add_results();
  response.mutable_ttl()->set_seconds(2);
  EXPECT_TRUE(SaysAllRenewed(response.SerializeAsString(), 2));
  EXPECT_FALSE(SaysAllRenewed(response.SerializeAsString(), 3));
  EXPECT_EQ(ReadTtlMs(response.SerializeAsString()), 2000u);
  response.mutable_results(1)->mutable_error()->set_code(9);
  EXPECT_FALSE(SaysAllRenewed(response.SerializeAsString(), 2));
}

TEST(LoadMessages, APieceOfAResponseHasNoMoreGrantsThanItHas) {
  const std::string bytes = ResponseOf(3).SerializeAsString();
  std::vector<GrantBytes> grants;
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const std::string_view piece = std::string_view(bytes).substr(0, length);
    v1::LeaseResponse response;
    EXPECT_EQ(ReadGrants(piece, grants), response.ParseFromString(std::string(piece))) << length;
  }
}

TEST(LoadMessages, AGrantWithoutKeyOrFenceIsNone) {
  std::vector<GrantBytes> grants;
  v1::LeaseResponse response = ResponseOf(1);
  response.mutable_grants(0)->mutable_ref()->clear_key();
  EXPECT_FALSE(ReadGrants(response.SerializeAsString(), grants));
  response = ResponseOf(1);
  response.mutable_grants(0)->mutable_ref()->clear_fence();
  EXPECT_FALSE(ReadGrants(response.SerializeAsString(), grants));
  response = ResponseOf(1);
  response.mutable_grants(0)->clear_ref();
  EXPECT_FALSE(ReadGrants(response.SerializeAsString(), grants));
}

TEST(LoadMessages, OnlyAReturnOfAllIsOne) {
  v1::ReturnResponse response;
  response.add_results();
  response.add_results();
  EXPECT_TRUE(SaysAllReturned(response.SerializeAsString(), 2));
  EXPECT_FALSE(SaysAllReturned(response.SerializeAsString(), 1));
  EXPECT_FALSE(SaysAllReturned(response.SerializeAsString(), 3));
  response.mutable_results(1)->set_already_returned(true);
  EXPECT_FALSE(SaysAllReturned(response.SerializeAsString(), 2));
  response.mutable_results(1)->clear_already_returned();
  response.mutable_results(1)->mutable_error()->set_code(5);
  EXPECT_FALSE(SaysAllReturned(response.SerializeAsString(), 2));
  EXPECT_FALSE(SaysAllReturned("\x0a", 1));
}

TEST(LoadMessages, AVarintOfTooManyBytesIsBroken) {
  FieldWalk walk("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  Field field;
  EXPECT_FALSE(walk.Next(field));
  EXPECT_TRUE(walk.broken());
}

TEST(RisingFences, OnlyAHigherOneWillDo) {
  RisingFences fences;
  EXPECT_TRUE(fences.Note(5, 1));
  EXPECT_TRUE(fences.Note(4, 1));
  EXPECT_FALSE(fences.Note(5, 1));
  EXPECT_TRUE(fences.Note(5, 3));
  EXPECT_FALSE(fences.Note(5, 2));
  EXPECT_FALSE(fences.Note(uint64_t{1} << 24, 1));
}

// What the other side of a connection makes of the blocks, one after the other.
class OtherSide {
 public:
  OtherSide() { EXPECT_EQ(nghttp2_hd_inflate_new(&inflater_), 0); }
  ~OtherSide() { nghttp2_hd_inflate_del(inflater_); }
  OtherSide(const OtherSide&) = delete;
  OtherSide& operator=(const OtherSide&) = delete;

  void Shrink(std::size_t bytes) {
    EXPECT_EQ(nghttp2_hd_inflate_change_table_size(inflater_, bytes), 0);
  }

  std::string Read(const std::string& block) {
    std::string said;
    auto* from = reinterpret_cast<const uint8_t*>(block.data());
    std::size_t left = block.size();
    for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
      nghttp2_nv field;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, from, left, 1);
      if (used < 0) return "broken";
      from += used;
      left -= static_cast<std::size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0) continue;
      said.append(reinterpret_cast<const char*>(field.name), field.namelen).append("=");
      said.append(reinterpret_cast<const char*>(field.value), field.valuelen).append(" ");
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return said;
  }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
};

std::string Headers(const std::string& path) {
  return ":method=POST :scheme=http :path=" + path +
         " :authority=host:1 te=trailers content-type=application/grpc ";
}

TEST(RequestBlocks, SayTheSameEveryTimeAndSoonInAFewBytes) {
  RequestBlocks blocks("host:1", {"/a/Lease", "/a/Return"});
  OtherSide server;
  for (int round = 0; round < 4; ++round) {
    EXPECT_EQ(server.Read(blocks.Next(0)), Headers("/a/Lease")) << round;
    EXPECT_EQ(server.Read(blocks.Next(0)), Headers("/a/Lease")) << round;
    EXPECT_EQ(server.Read(blocks.Next(1)), Headers("/a/Return")) << round;
  }
  EXPECT_EQ(blocks.Next(0).size(), 6u);
  EXPECT_EQ(blocks.Next(1).size(), 6u);
}

TEST(RequestBlocks, FitIntoASmallTableOrSaySo) {
  RequestBlocks blocks("host:1", {"/a/Lease"});
  EXPECT_FALSE(blocks.SetTableBytes(64));
  ASSERT_TRUE(blocks.SetTableBytes(256));
  OtherSide server;
  server.Shrink(256);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(server.Read(blocks.Next(0)), Headers("/a/Lease")) << round;
  }
}

// Blocks as libnghttp2 writes them: with new fields, with old ones, and with both.
TEST(AnswerBlocks, SayStatusesFirstAndAgain) {
  nghttp2_hd_deflater* deflater = nullptr;
  ASSERT_EQ(nghttp2_hd_deflate_new(&deflater, 4096), 0);
  const auto write = [&](std::string name, std::string value) {
    nghttp2_nv field{.name = reinterpret_cast<uint8_t*>(name.data()),
                     .value = reinterpret_cast<uint8_t*>(value.data()),
                     .namelen = name.size(),
                     .valuelen = value.size(),
                     .flags = NGHTTP2_NV_FLAG_NONE};
    std::array<uint8_t, 256> room;
    const ssize_t bytes = nghttp2_hd_deflate_hd(deflater, room.data(), room.size(), &field, 1);
    EXPECT_GT(bytes, 0);
    return std::string(reinterpret_cast<const char*>(room.data()), static_cast<std::size_t>(bytes));
  };
  AnswerBlocks answers;
  for (int round = 0; round < 10; ++round) {
    const auto ok = answers.Read(write(":status", "200"));
    ASSERT_TRUE(ok.has_value());
    EXPECT_EQ(ok->http_status, 200u);
    EXPECT_FALSE(ok->grpc_status.has_value());
    for (const uint32_t status : {0u, 5u, 0u}) {
      const auto trailers = answers.Read(write("grpc-status", std::to_string(status)));
      ASSERT_TRUE(trailers.has_value());
      EXPECT_EQ(trailers->grpc_status, status) << round;
    }
    // Moves all that is in the table.
    ASSERT_TRUE(answers.Read(write("x-round", std::to_string(round))).has_value());
  }
  EXPECT_FALSE(answers.Read("\xff\xff\xff\xff\xff\xff\xff").has_value());
  nghttp2_hd_deflate_del(deflater);
}

}  // namespace
}  // namespace objpool::load
