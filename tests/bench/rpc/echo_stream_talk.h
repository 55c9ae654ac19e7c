// EchoStreamTalk: EchoScript's requests on one stream that do not wait for their replies, each a
// message, and each answered by one; up to a window of them.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/talk.h"
#include "tests/bench/rpc/echo_script.h"

namespace objpool::bench {

inline constexpr std::string_view kEchoStreamMethod = "FillStream";

class EchoStreamTalk final : public load::Talk {
 public:
  EchoStreamTalk(uint32_t window, load::Tally& tally);

  [[nodiscard]] std::vector<std::string> paths() const override;
  [[nodiscard]] uint32_t calls() const override { return 1; }
  void Begin(load::FrameConnection& connection) override;
  void AfterBurst() override;
  void Stop() override;
  [[nodiscard]] bool over() const override { return over_; }
  void OnMessage(uint32_t place, std::string_view message) override;
  void OnEnd(uint32_t place, uint32_t status) override;

 private:
  // A request that is not answered yet.
  struct Asked {
    std::size_t call;
    uint64_t began_ns;  // its cycle
  };
  void Ask(std::size_t call, uint64_t began_ns, std::string_view reply);

  const uint32_t window_;
  load::Tally& tally_;
  EchoScript script_;
  const std::size_t calls_of_cycle_;
  load::FrameConnection* connection_ = nullptr;
  std::deque<Asked> asked_;  // in the order of their replies
  bool closed_ = false;
  bool over_ = false;
  std::string request_;
};

}  // namespace objpool::bench
