// How much engine h2 reads of a connection at a time: who asks for a lot that takes long does not
// hold up others for all of it.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <memory>
#include <semaphore>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/frame_connection.h"
#include "server/rpc/boot_clock.h"
#include "server/rpc/engine.h"

namespace objpool::rpc {
namespace {

constexpr std::size_t kBlock = 0;
constexpr std::size_t kSlow = 1;
constexpr std::size_t kMark = 2;
constexpr uint32_t kCalls = 250;

class Client final : public load::FrameConnection::Listener {
 public:
  explicit Client(const std::string& address) {
    std::string why;
    connection_ = load::FrameConnection::Connect(address, {"/t.T/Block", "/t.T/Slow", "/t.T/Mark"},
                                                 kCalls, *this, why);
    EXPECT_NE(connection_, nullptr) << why;
  }

  void Ask(std::size_t path, uint32_t calls = 1, std::size_t bytes = 0) {
    for (uint32_t i = 0; i < calls; ++i) connection_->Call(asked_++, path, std::string(bytes, 'x'));
    EXPECT_TRUE(connection_->Flush());
  }
  void AwaitAll() {
    constexpr int kDeadlineMs = 60'000;  // only a bug reaches it
    pollfd event{.fd = connection_->fd(), .events = POLLIN, .revents = 0};
    while (ended_ < asked_ && ::poll(&event, 1, kDeadlineMs) == 1 && connection_->OnReadable()) {
      EXPECT_TRUE(connection_->Flush());
    }
    EXPECT_EQ(ended_, asked_) << connection_->error();
  }

  void OnMessage(uint32_t /*place*/, std::string_view /*message*/) override {}
  void OnEnd(uint32_t /*place*/, uint32_t status) override {
    EXPECT_EQ(status, 0u);
    ++ended_;
  }

 private:
  std::unique_ptr<load::FrameConnection> connection_;
  uint32_t asked_ = 0;
  uint32_t ended_ = 0;
};

void Answer(UnaryCall& call) {
  (void)call.AllocateReply(0);
  call.Finish({});
}

TEST(H2Pace, WhoAsksForMuchThatTakesLongHoldsUpOthersForALittleOfIt) {
  constexpr uint32_t kLater = 150;  // reads have become small by then
  std::counting_semaphore<> entered(0);
  std::counting_semaphore<> leave(0);
  std::unique_ptr<Client> other;
  uint32_t slow = 0;  // the worker's, like the marks
  std::vector<uint32_t> marks;
  MethodTable methods;
  methods.Add("t.T", "Block", UnaryHandler([&](UnaryCall& call) {
                entered.release();
                leave.acquire();
                Answer(call);
              }));
  methods.Add("t.T", "Slow", UnaryHandler([&](UnaryCall& call) {
                const BootNs until = BootNow() + 1'000'000;
                while (BootNow() < until) {  // work
                }
                if (++slow == kLater) other->Ask(kMark);
                Answer(call);
              }));
  methods.Add("t.T", "Mark", UnaryHandler([&](UnaryCall& call) {
                marks.push_back(slow);
                Answer(call);
              }));
  EngineOptions options;
  options.worker_cpus = {std::nullopt};
  std::string why;
  const auto engine = StartH2Engine(options, methods,
                                    {.on_start = [](uint32_t, std::string&) { return true; },
                                     .on_turn = [](uint32_t, BootNs) { return false; }},
                                    why);
  ASSERT_NE(engine, nullptr) << why;
  {
    Client blocking(engine->address());
    Client greedy(engine->address());
    other = std::make_unique<Client>(engine->address());
    for (Client* const client : {&blocking, &greedy, other.get()}) {
      client->Ask(kMark);
      client->AwaitAll();
    }
    // While the worker is at the first one, all of the second's calls come, and then the third's.
    blocking.Ask(kBlock);
    entered.acquire();
    constexpr std::size_t kBytes = 200;  // 60 KiB in all
    greedy.Ask(kSlow, kCalls - 1, kBytes);
    other->Ask(kMark);
    leave.release();
    greedy.AwaitAll();
    other->AwaitAll();
    blocking.AwaitAll();
    ASSERT_EQ(marks.size(), 5u);
    EXPECT_LT(marks[3], 60u) << "after the first read";
    EXPECT_LT(marks[4] - kLater, 15u) << "between two later ones";
  }
  engine->Stop(std::chrono::milliseconds(10'000));
}

}  // namespace
}  // namespace objpool::rpc
