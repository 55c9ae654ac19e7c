// When an engine says that a request came: never before it was sent. A grant's time is counted from
// there, and its client counts from when it sent.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <semaphore>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/frame_connection.h"
#include "server/rpc/engine.h"

namespace objpool::rpc {
namespace {

constexpr std::size_t kBlock = 0;
constexpr std::size_t kTime = 1;

// A connection of one client; its answers are times.
class Client final : public load::FrameConnection::Listener {
 public:
  explicit Client(const std::string& address) {
    std::string why;
    connection_ =
        load::FrameConnection::Connect(address, {"/t.T/Block", "/t.T/Time"}, 2, *this, why);
    EXPECT_NE(connection_, nullptr) << why;
  }

  void Ask(uint32_t place, std::size_t path) {
    connection_->Call(place, path, {});
    EXPECT_TRUE(connection_->Flush());
  }
  void AwaitEnds(uint32_t ends) {
    constexpr int kDeadlineMs = 60'000;  // only a bug reaches it
    pollfd event{.fd = connection_->fd(), .events = POLLIN, .revents = 0};
    while (ends_ < ends && ::poll(&event, 1, kDeadlineMs) == 1 && connection_->OnReadable()) {
      EXPECT_TRUE(connection_->Flush());
    }
    EXPECT_EQ(ends_, ends) << connection_->error();
  }
  [[nodiscard]] BootNs answer(uint32_t place) const { return answers_[place]; }

  void OnMessage(uint32_t place, std::string_view message) override {
    if (message.size() == sizeof(BootNs)) {
      std::memcpy(&answers_[place], message.data(), message.size());
    }
  }
  void OnEnd(uint32_t /*place*/, uint32_t status) override {
    EXPECT_EQ(status, 0u);
    ++ends_;
  }

 private:
  std::unique_ptr<load::FrameConnection> connection_;
  std::vector<BootNs> answers_ = std::vector<BootNs>(2);
  uint32_t ends_ = 0;
};

class EngineClockTest : public ::testing::TestWithParam<decltype(&StartH2Engine)> {};

TEST_P(EngineClockTest, ARequestThatComesWhileItsWorkerIsAtAnotherDidNotComeBefore) {
  std::counting_semaphore<> entered(0);
  std::counting_semaphore<> leave(0);
  MethodTable methods;
  methods.Add("t.T", "Block", UnaryHandler([&](UnaryCall& call) {
                entered.release();
                leave.acquire();
                call.AllocateReply(0);
                call.Finish({});
              }));
  methods.Add("t.T", "Time", UnaryHandler([](UnaryCall& call) {
                const BootNs now = call.now();
                std::memcpy(call.AllocateReply(sizeof(now)), &now, sizeof(now));
                call.Finish({});
              }));
  EngineOptions options;
  options.worker_cpus = {std::nullopt};
  std::string why;
  const auto engine = GetParam()(options, methods,
                                 {.on_start = [](uint32_t, std::string&) { return true; },
                                  .on_turn = [](uint32_t, BootNs) { return false; }},
                                 why);
  ASSERT_NE(engine, nullptr) << why;
  {
    Client first(engine->address());
    Client blocking(engine->address());
    Client asking(engine->address());
    // So that the worker has nothing more of them before it.
    for (Client* const client : {&asking, &blocking, &first}) {
      client->Ask(0, kTime);
      client->AwaitEnds(1);
    }
    // While the worker is at the first one, the others come: it takes both up in one turn.
    first.Ask(0, kBlock);
    entered.acquire();
    blocking.Ask(0, kBlock);
    asking.Ask(0, kTime);
    leave.release();
    entered.acquire();
    const BootNs sent = BootNow();
    asking.Ask(1, kTime);
    leave.release();
    first.AwaitEnds(2);
    blocking.AwaitEnds(2);
    asking.AwaitEnds(3);
    EXPECT_GE(asking.answer(1), sent);
    EXPECT_LE(asking.answer(1), BootNow());
  }
  engine->Stop(std::chrono::milliseconds(10'000));
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineClockTest,
                         ::testing::Values(&StartGrpcEngine, &StartH2Engine));

}  // namespace
}  // namespace objpool::rpc
