// Reads and writes of buffers, without a transport: a stream that the test drives, whose clock is
// the test's, so that a grant can end between any two looks at it.
#include "server/service/buffer_service.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "google/rpc/status.pb.h"
#include "server/service/buffer_piece.h"
#include "tests/support/fake_topology.h"

namespace objpool::server {
namespace {

constexpr rpc::BootNs kMs = 1'000'000;
constexpr uint64_t kSize = 400'000;  // seven chunks

// A call as an engine makes it. `on_now` is told of each look at the clock.
class FakeStream final : public rpc::StreamCall {
 public:
  [[nodiscard]] uint32_t worker() const override { return 0; }
  [[nodiscard]] rpc::BootNs now() const override {
    ++looks;
    if (on_now) on_now(looks);
    return at;
  }
  [[nodiscard]] std::string peer() const override { return "10.0.0.1"; }
  [[nodiscard]] bool Send(std::string_view message) override {
    if (full) return false;
    sent.emplace_back(message);
    return true;
  }
  [[nodiscard]] bool sending() const override { return false; }
  void Finish(const rpc::Status& status) override {
    EXPECT_FALSE(final) << "a call ends once";
    final = status;
  }

  rpc::BootNs at = 1000 * kMs;
  std::function<void(int look)> on_now;
  bool full = false;
  std::vector<std::string> sent;
  std::optional<rpc::Status> final;
  mutable int looks = 0;
};

google::rpc::ErrorInfo InfoOf(const std::optional<rpc::Status>& status) {
  google::rpc::Status whole;
  google::rpc::ErrorInfo info;
  EXPECT_TRUE(status && whole.ParseFromString(status->details));
  EXPECT_TRUE(whole.details_size() > 0 && whole.details(0).UnpackTo(&info));
  return info;
}

class BufferServiceTest : public ::testing::Test {
 protected:
  BufferServiceTest() {
    PoolSpec spec{.name = "b", .kind = BuffersSpec{.count = 4, .size_bytes = kSize}};
    PoolSet::Options options;
    options.maker.slots = testing::FlatSlots(1);
    std::string why;
    pools_ = PoolSet::Create({spec}, options, why);
    EXPECT_NE(pools_, nullptr) << why;
    EXPECT_TRUE(pools_->Attach(0, why)) << why;
    service_ = std::make_unique<BufferService>(*pools_);
    service_->AddTo(methods_, 1, gate_);
    pool_ = pools_->Find("b");
  }

  lease::GrantRef Lease(uint64_t ttl_ms = 60'000, lease::BootMs now = 1000) {
    lease::GrantRef ref;
    EXPECT_EQ(pool_->leases->Lease(0, {.min_count = 1, .ttl_ms = ttl_ms, .holder = ""}, now,
                                   std::span(&ref, 1)),
              1u);
    return ref;
  }
  void Revoke(const lease::GrantRef& ref) {
    EXPECT_TRUE(pool_->leases->Revoke(0, ref.handle, ref.fence, 1000).ended_here);
  }

  std::unique_ptr<rpc::StreamHandler> Start(const char* method, rpc::StreamCall& call) {
    const std::size_t at = methods_.Find(std::string("/objpool.v1.BufferService/") + method);
    return std::get<rpc::StreamFactory>(methods_.methods()[at].handler)(call);
  }
  template <typename Request>
  static void Name(const lease::GrantRef& ref, Request& request) {
    request.set_pool("b");
    request.mutable_grant()->set_handle(ref.handle);
    request.mutable_grant()->set_fence(ref.fence);
    request.mutable_grant()->set_key(ref.key);
  }
  static std::string ReadRequest(const lease::GrantRef& ref) {
    v1::ReadRequest request;
    Name(ref, request);
    return request.SerializeAsString();
  }
  static std::string WriteRequest(const lease::GrantRef& ref, const std::string& data) {
    v1::WriteRequest request;
    Name(ref, request);
    request.set_data(data);
    return request.SerializeAsString();
  }
  static std::string More(const std::string& data) {
    v1::WriteRequest request;
    request.set_data(data);
    return request.SerializeAsString();
  }
  [[nodiscard]] std::string BytesOf(const lease::GrantRef& ref, std::size_t count) const {
    const auto* const at = pool_->memory->at(static_cast<uint32_t>(ref.handle));
    return {reinterpret_cast<const char*>(at), count};
  }

  std::unique_ptr<PoolSet> pools_;
  NamedPool* pool_ = nullptr;
  std::unique_ptr<BufferService> service_;
  Gate gate_{1, AdminAccess::kLocal, nullptr};
  rpc::MethodTable methods_;
  FakeStream call_;
};

TEST_F(BufferServiceTest, AReadIsNeverFurtherAheadThanTwoChunks) {
  const lease::GrantRef ref = Lease();
  std::memset(pool_->memory->at(static_cast<uint32_t>(ref.handle)), 'a', kSize);
  const auto read = Start("Read", call_);
  read->OnMessage(ReadRequest(ref));
  read->OnHalfClose();
  EXPECT_EQ(call_.sent.size(), BufferStream::kChunksAhead);
  while (!call_.final) {
    const std::size_t taken = call_.sent.size();
    read->OnSent();
    EXPECT_LE(call_.sent.size(), taken + BufferStream::kChunksAhead);
  }
  EXPECT_TRUE(call_.final->ok());
  std::string all;
  for (const std::string& message : call_.sent) {
    v1::ReadResponse reply;
    ASSERT_TRUE(reply.ParseFromString(message));
    EXPECT_EQ(reply.offset(), all.size());
    all += reply.data();
  }
  EXPECT_EQ(all, std::string(kSize, 'a'));
  EXPECT_EQ(pool_->transfers[0].read_bytes.value(), kSize);
}

TEST_F(BufferServiceTest, AReadGoesOnWhereTheEngineHadNoRoom) {
  const auto read = Start("Read", call_);
  read->OnMessage(ReadRequest(Lease()));
  call_.full = true;
  read->OnSent();
  EXPECT_EQ(call_.sent.size(), 2u);
  call_.full = false;
  read->OnSent();
  EXPECT_EQ(call_.sent.size(), 4u);
  EXPECT_FALSE(call_.final);
}

TEST_F(BufferServiceTest, WhatWasCopiedAcrossTheGrantsEndIsNotSent) {
  const lease::GrantRef ref = Lease();
  const auto read = Start("Read", call_);
  // The first look is that of the request; then come two for each chunk.
  const int made = call_.looks;
  call_.on_now = [&](int look) {
    if (look == made + 5) Revoke(ref);
  };
  read->OnMessage(ReadRequest(ref));
  EXPECT_EQ(call_.sent.size(), 1u);
  EXPECT_EQ(InfoOf(call_.final).reason(), "GRANT_REVOKED");
}

TEST_F(BufferServiceTest, AGrantThatEndsBetweenChunksEndsTheRead) {
  const lease::GrantRef ref = Lease(500);
  const auto read = Start("Read", call_);
  read->OnMessage(ReadRequest(ref));
  call_.at += 500 * kMs;
  read->OnSent();
  EXPECT_FALSE(call_.final) << "at least its TTL";
  call_.at += 1 * kMs;
  read->OnSent();
  EXPECT_EQ(call_.sent.size(), 4u);
  EXPECT_EQ(InfoOf(call_.final).reason(), "GRANT_EXPIRED");
}

TEST_F(BufferServiceTest, NothingIsWrittenOnceTheGrantIsOver) {
  const lease::GrantRef ref = Lease(500);
  const auto write = Start("Write", call_);
  write->OnMessage(WriteRequest(ref, "abc"));
  call_.at += 501 * kMs;
  write->OnMessage(More("def"));
  EXPECT_EQ(BytesOf(ref, 6), std::string("abc\0\0\0", 6));
  EXPECT_EQ(InfoOf(call_.final).reason(), "GRANT_EXPIRED");
  EXPECT_EQ(InfoOf(call_.final).metadata().at("bytes_written"), "3");
  EXPECT_FALSE(InfoOf(call_.final).metadata().contains("uncertain_bytes"));
}

TEST_F(BufferServiceTest, AWriteSaysHowMuchMayHaveComeAfterItsGrant) {
  const lease::GrantRef ref = Lease();
  const auto write = Start("Write", call_);
  write->OnMessage(WriteRequest(ref, "abc"));
  // The clock is looked at for the message, before the copy and after it.
  const int before = call_.looks;
  call_.on_now = [&](int look) {
    if (look == before + 3) Revoke(ref);
  };
  write->OnMessage(More("defgh"));
  EXPECT_EQ(InfoOf(call_.final).reason(), "GRANT_REVOKED");
  EXPECT_EQ(InfoOf(call_.final).metadata().at("bytes_written"), "8");
  EXPECT_EQ(InfoOf(call_.final).metadata().at("uncertain_bytes"), "5");
}

TEST_F(BufferServiceTest, ATickTellsThatTheGrantIsOver) {
  const auto read = Start("Read", call_);
  read->OnMessage(ReadRequest(Lease(500)));
  read->OnTick();
  EXPECT_FALSE(call_.final);
  call_.at += 501 * kMs;
  read->OnTick();
  EXPECT_EQ(InfoOf(call_.final).reason(), "GRANT_EXPIRED");
}

TEST_F(BufferServiceTest, APoolThatIsGoneEndsTheCallsOfItsBuffers) {
  const lease::GrantRef ref = Lease();
  FakeStream other;
  const auto read = Start("Read", call_);
  const auto write = Start("Write", other);
  read->OnMessage(ReadRequest(ref));
  write->OnMessage(WriteRequest(ref, "abc"));
  (void)pools_->Withdraw(*pool_);
  pools_->Destroy(*pool_);
  read->OnSent();
  write->OnMessage(More("def"));
  EXPECT_EQ(InfoOf(call_.final).reason(), "POOL_UNKNOWN");
  EXPECT_EQ(InfoOf(other.final).reason(), "POOL_UNKNOWN");
  EXPECT_EQ(InfoOf(other.final).metadata().at("bytes_written"), "3");
}

TEST_F(BufferServiceTest, AClientThatDoesNothingIsCut) {
  const lease::GrantRef ref = Lease();
  for (const bool stopping : {false, true}) {
    for (const bool reads : {false, true}) {
      for (const bool begun : {false, true}) {
        FakeStream call;
        const auto stream = Start(reads ? "Read" : "Write", call);
        const rpc::BootNs limit = stopping ? BufferStream::kIdleAtStopNs : BufferStream::kIdleNs;
        if (stopping) stream->OnShutdown();
        call.at += limit - 1;
        stream->OnTick();
        if (begun) {
          if (reads) stream->OnMessage(ReadRequest(ref));
          if (reads) stream->OnSent();
          if (!reads) stream->OnMessage(WriteRequest(ref, "abc"));
          call.at += limit - 1;
          stream->OnTick();
        }
        EXPECT_FALSE(call.final);
        call.at += 1;
        stream->OnTick();
        EXPECT_EQ(InfoOf(call.final).reason(), stopping ? "SHUTTING_DOWN" : "STREAM_IDLE");
      }
    }
  }
}

TEST_F(BufferServiceTest, AWorkerServesSoManyAtATime) {
  const lease::GrantRef ref = Lease();
  std::vector<std::unique_ptr<rpc::StreamHandler>> others;
  for (uint32_t i = 0; i < BufferStream::kMaxStreams; ++i) others.push_back(Start("Write", call_));
  {
    FakeStream call;
    const auto read = Start("Read", call);
    read->OnMessage(ReadRequest(ref));
    EXPECT_EQ(InfoOf(call.final).reason(), "OVERLOADED");
  }
  others.pop_back();
  FakeStream call;
  const auto read = Start("Read", call);
  read->OnMessage(ReadRequest(ref));
  EXPECT_EQ(call.sent.size(), 2u);
}

TEST_F(BufferServiceTest, ASecondRequestOfAReadIsRefused) {
  const auto read = Start("Read", call_);
  read->OnMessage(ReadRequest(Lease()));
  read->OnMessage("");
  EXPECT_EQ(InfoOf(call_.final).reason(), "BAD_FIELD");
}

TEST(BufferPiece, NoOffsetAndLengthLeadOutOfTheBuffer) {
  const std::vector<uint64_t> numbers = {
      0, 1, 99, 100, 101, uint64_t{1} << 32, UINT64_MAX - 99, UINT64_MAX};
  for (const uint64_t offset : numbers) {
    for (const uint64_t length : numbers) {
      v1::ReadRequest request;
      request.set_offset(offset);
      request.set_length(length);
      Violations bad;
      const Piece piece = PieceToRead(request, 100, bad);
      const bool good = offset <= 100 && length <= 100 - offset;
      EXPECT_EQ(bad.empty(), good) << offset << " " << length;
      EXPECT_LE(piece.offset, 100u);
      EXPECT_LE(piece.bytes, 100 - piece.offset);
      if (good && length == 0) {
        EXPECT_EQ(piece.bytes, 100 - offset) << "to the end";
      }
    }
  }
}

TEST(BufferPiece, AMessageGoesWhereTheLastOneEndedOrWhereItSays) {
  v1::WriteRequest request;
  request.set_data("abc");
  Violations bad;
  EXPECT_EQ(PieceToWrite(request, 97, 100, bad).offset, 97u);
  request.set_offset(0);
  EXPECT_EQ(PieceToWrite(request, 97, 100, bad).offset, 0u);
  EXPECT_TRUE(bad.empty());
  request.set_offset(98);
  EXPECT_EQ(PieceToWrite(request, 0, 100, bad).bytes, 0u);
  EXPECT_FALSE(bad.empty());
  request.set_offset(UINT64_MAX);
  EXPECT_EQ(PieceToWrite(request, 0, 100, bad).bytes, 0u);
}

}  // namespace
}  // namespace objpool::server
