// SessionTalk: one Session stream on which leases and returns go out without waiting for answers,
// up to a window of operations; each handle is returned when its lease was answered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/lease_messages.h"
#include "client/load/rising_fences.h"
#include "client/load/session_messages.h"
#include "client/load/talk.h"

namespace objpool::load {

struct SessionTalkOptions {
  std::string pool;
  uint32_t window = 64;  // operations that are not answered yet
  // Operations that are due at the same time go in one message, rather than in one each.
  bool folded = false;
};

class SessionTalk final : public Talk {
 public:
  SessionTalk(SessionTalkOptions options, Tally& tally);

  [[nodiscard]] std::vector<std::string> paths() const override {
    return {std::string(kSessionPath)};
  }
  [[nodiscard]] uint32_t calls() const override { return 1; }
  void Begin(FrameConnection& connection) override;
  void AfterBurst() override;
  void Stop() override;
  [[nodiscard]] bool over() const override { return over_; }
  void OnMessage(uint32_t place, std::string_view message) override;
  void OnEnd(uint32_t place, uint32_t status) override;

 private:
  // What one place of the window is at. Its number is the id of its operations.
  struct Cycle {
    bool leased = false;
    uint64_t began_ns = 0;
  };
  void BeginCycle(uint64_t id);
  [[nodiscard]] bool TakeAnswer(const SessionAnswer& answer, std::string& why);
  [[nodiscard]] bool TakeLease(uint64_t id, std::string_view response, std::string& why);
  [[nodiscard]] bool TakeReturn(uint64_t id, std::string_view response, std::string& why);
  void Operation(uint64_t id, SessionVerb verb, std::string_view request);
  void SendMessage();

  const SessionTalkOptions options_;
  const std::string lease_;
  Tally& tally_;
  FrameConnection* connection_ = nullptr;
  std::vector<Cycle> cycles_;
  uint32_t running_ = 0;
  bool goodbye_ = false;  // said
  bool over_ = false;
  RisingFences fences_;
  std::vector<GrantBytes> grants_;
  std::vector<SessionAnswer> answers_;
  std::string request_;
  std::string message_;  // to be sent
};

}  // namespace objpool::load
