// UnaryTalk: cycles of unary calls, each made when the one before it was answered, many at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/talk.h"

namespace objpool::load {

// The calls of one cycle. All cycles of a load share one script.
class CallScript {
 public:
  virtual ~CallScript() = default;
  // The method of each call, in their order.
  [[nodiscard]] virtual std::vector<std::string> paths() const = 0;
  // Appends the request of a call, where `reply` is the one to the call before it. False, with
  // `why`, where that reply is wrong.
  [[nodiscard]] virtual bool Request(std::size_t call, std::string_view reply, std::string& request,
                                     std::string& why) = 0;
  // Whether the reply to the last call is right.
  [[nodiscard]] virtual bool Finish(std::string_view reply, std::string& why) = 0;
};

class UnaryTalk final : public Talk {
 public:
  // `cycles` at a time. The script must outlive the talk.
  UnaryTalk(CallScript& script, uint32_t cycles, Tally& tally);

  [[nodiscard]] std::vector<std::string> paths() const override { return paths_; }
  [[nodiscard]] uint32_t calls() const override { return static_cast<uint32_t>(cycles_.size()); }
  void Begin(FrameConnection& connection) override;
  [[nodiscard]] bool over() const override { return running_ == 0; }
  void OnMessage(uint32_t place, std::string_view message) override;
  void OnEnd(uint32_t place, uint32_t status) override;

 private:
  struct Cycle {
    std::size_t call = 0;
    uint64_t began_ns = 0;
    uint32_t replies = 0;
    std::string request;
    std::string reply;
  };
  void BeginCycle(uint32_t place);
  void Ask(uint32_t place);

  CallScript& script_;
  const std::vector<std::string> paths_;
  Tally& tally_;
  FrameConnection* connection_ = nullptr;
  std::vector<Cycle> cycles_;
  uint32_t running_ = 0;
};

}  // namespace objpool::load
