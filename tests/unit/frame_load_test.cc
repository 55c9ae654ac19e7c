// Loads against a whole server in this process, and against servers that are not as they should
// be.
#include "client/load/frame_load.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "client/load/lease_script.h"
#include "client/load/session_talk.h"
#include "client/load/unary_talk.h"
#include "server/server.h"
#include "tests/support/fake_service.h"

namespace objpool::load {
namespace {

using ::objpool::testing::FakeError;
using ::objpool::testing::FakeService;
using std::chrono::milliseconds;

constexpr milliseconds kShort(50);

TalkMaker Unary(CallScript& script, uint32_t cycles) {
  return [&script, cycles](Tally& tally) {
    return std::make_unique<UnaryTalk>(script, cycles, tally);
  };
}

TalkMaker Streamed(bool folded) {
  return [folded](Tally& tally) {
    return std::make_unique<SessionTalk>(
        SessionTalkOptions{.pool = "ids", .window = 64, .folded = folded}, tally);
  };
}

class FrameLoadTest : public ::testing::Test {
 protected:
  FrameLoadTest() {
    server::Config config;
    config.listen = {"127.0.0.1", 0};
    config.metrics_listen.reset();
    server::PoolSpec pool;
    pool.name = "ids";
    pool.kind = server::IdsSpec{.first = 0, .count = 4096};
    config.pools.push_back(pool);
    std::string why;
    server_ = server::Server::Start(config, why);
    EXPECT_NE(server_, nullptr) << why;
  }
  ~FrameLoadTest() override {
    std::string why;
    if (server_ != nullptr) {
      EXPECT_TRUE(server_->Stop(milliseconds(10'000), why)) << why;
    }
  }

  // Warms up, measures, and finishes; then nothing may be leased.
  void Run(uint32_t connections, const TalkMaker& make_talk, uint64_t calls_of_a_cycle) {
    std::string why;
    const auto load = StartFrameLoad(server_->address(), connections, make_talk, why);
    ASSERT_NE(load, nullptr) << why;
    ASSERT_TRUE(load->RunFor(kShort, false, why)) << why;
    EXPECT_EQ(load->tally().cycles, 0u);
    // On a busy machine the first cycle may take longer than that.
    for (int i = 0; i < 100 && load->tally().cycles == 0; ++i) {
      ASSERT_TRUE(load->RunFor(kShort, true, why)) << why;
    }
    const uint64_t measured = load->tally().cycles;
    EXPECT_GT(measured, 0u);
    EXPECT_EQ(load->tally().cycle_ns.count(), measured);
    ASSERT_TRUE(load->Finish(why)) << why;
    EXPECT_EQ(load->tally().cycles, measured);
    EXPECT_EQ(load->tally().calls_failed, 0u) << load->tally().first_failure;
    EXPECT_GE(load->tally().calls_ok, measured * calls_of_a_cycle);
    EXPECT_EQ(load->tally().calls_ok % calls_of_a_cycle, 0u) << "every cycle came to its end";
    EXPECT_EQ(server_->ActiveGrants(), 0u);
  }

  std::unique_ptr<server::Server> server_;
};

TEST_F(FrameLoadTest, LeasesAndReturnsOneByOne) {
  LeaseScript script("ids", 1);
  Run(1, Unary(script, 1), 2);
}

TEST_F(FrameLoadTest, LeasesAndReturnsManyAtATime) {
  LeaseScript script("ids", 1);
  Run(1, Unary(script, 64), 2);
  Run(8, Unary(script, 8), 2);
}

TEST_F(FrameLoadTest, LeasesAndReturnsBatches) {
  LeaseScript script("ids", 64);
  Run(8, Unary(script, 1), 2);
  // So much at a time that it waits for the connection's window.
  Run(1, Unary(script, 48), 2);
}

TEST_F(FrameLoadTest, ReturnsTheLongestBatchInPieces) {
  LeaseScript script("ids", 1024);
  Run(2, Unary(script, 2), 2);
}

TEST_F(FrameLoadTest, LeasesAndReturnsOnAStream) {
  Run(1, Streamed(false), 2);
  Run(3, Streamed(true), 2);
}

TEST_F(FrameLoadTest, CountsRefusedCallsAsFailed) {
  LeaseScript script("none", 1);
  std::string why;
  const auto load = StartFrameLoad(server_->address(), 1, Unary(script, 4), why);
  ASSERT_NE(load, nullptr) << why;
  ASSERT_TRUE(load->RunFor(kShort, true, why)) << why;
  ASSERT_TRUE(load->Finish(why)) << why;
  EXPECT_EQ(load->tally().cycles, 0u);
  EXPECT_EQ(load->tally().calls_ok, 0u);
  EXPECT_GT(load->tally().calls_failed, 0u);
  EXPECT_NE(load->tally().first_failure.find("grpc-status 5"), std::string::npos)
      << load->tally().first_failure;
}

TEST_F(FrameLoadTest, SaysWhenTheServerHasGone) {
  LeaseScript script("ids", 1);
  std::string why;
  const auto load = StartFrameLoad(server_->address(), 2, Unary(script, 8), why);
  ASSERT_NE(load, nullptr) << why;
  ASSERT_TRUE(server_->Stop(milliseconds(0), why)) << why;
  server_.reset();
  EXPECT_FALSE(load->RunFor(milliseconds(30'000), true, why));
  EXPECT_FALSE(why.empty());
}

TEST_F(FrameLoadTest, AsksForNoMoreCallsThanTheServerTakes) {
  LeaseScript script("ids", 1);
  std::string why;
  EXPECT_EQ(StartFrameLoad(server_->address(), 1, Unary(script, 100'000), why), nullptr);
  EXPECT_NE(why.find("calls at a time"), std::string::npos) << why;
}

// gRPC's own server, which has other habits.
TEST(FrameLoad, TakesAnswersOfAnyGrpcServer) {
  FakeService service(64);
  LeaseScript script("ids", 2);
  std::string why;
  const auto load = StartFrameLoad(service.address(), 2, Unary(script, 4), why);
  ASSERT_NE(load, nullptr) << why;
  ASSERT_TRUE(load->RunFor(kShort, true, why)) << why;
  service.Refuse(FakeError(grpc::StatusCode::UNAVAILABLE, "SHUTTING_DOWN", "no more"));
  ASSERT_TRUE(load->RunFor(kShort, false, why)) << why;
  ASSERT_TRUE(load->Finish(why)) << why;
  EXPECT_GT(load->tally().cycles, 0u);
  EXPECT_GT(load->tally().calls_failed, 0u);
  EXPECT_EQ(load->tally().calls_ok,
            service.granted() / 2 + (service.granted() - service.leased()) / 2);
}

TEST(FrameLoad, SaysWhenNobodyListens) {
  std::string address;
  {
    FakeService service;
    address = service.address();
  }
  LeaseScript script("ids", 1);
  std::string why;
  EXPECT_EQ(StartFrameLoad(address, 1, Unary(script, 1), why), nullptr);
  EXPECT_NE(why.find(address), std::string::npos) << why;
}

}  // namespace
}  // namespace objpool::load
