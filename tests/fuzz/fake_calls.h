// Calls as an engine makes them, for services that are called without one. Each judges how it is
// answered.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pool/base/check.h"
#include "server/rpc/boot_clock.h"
#include "server/rpc/call.h"

namespace objpool::fuzz {

class FakeUnary final : public rpc::UnaryCall {
 public:
  explicit FakeUnary(std::string request) : request_(std::move(request)) {}

  [[nodiscard]] uint32_t worker() const override { return 0; }
  [[nodiscard]] rpc::BootNs now() const override { return now_; }
  [[nodiscard]] std::string peer() const override { return "10.0.0.1"; }
  [[nodiscard]] std::string_view request() const override { return request_; }
  [[nodiscard]] bool cancelled() const override { return cancelled_; }
  [[nodiscard]] uint8_t* AllocateReply(std::size_t bytes) override {
    reply_.resize(bytes);
    return reinterpret_cast<uint8_t*>(reply_.data());
  }
  void Finish(const rpc::Status& status) override {
    OBJPOOL_CHECK(!status_, "a call ends once");
    status_ = status;
  }

  void Cancel() { cancelled_ = true; }
  [[nodiscard]] const std::optional<rpc::Status>& status() const { return status_; }
  [[nodiscard]] const std::string& reply() const { return reply_; }

 private:
  const std::string request_;
  const rpc::BootNs now_ = rpc::BootNow();
  std::string reply_;
  bool cancelled_ = false;
  std::optional<rpc::Status> status_;
};

// A stream and who serves it.
class FakeStream final : public rpc::StreamCall {
 public:
  explicit FakeStream(const rpc::StreamFactory& factory) : handler_(factory(*this)) {}
  ~FakeStream() override {
    if (!over()) Leave();
  }
  FakeStream(const FakeStream&) = delete;
  FakeStream& operator=(const FakeStream&) = delete;

  [[nodiscard]] uint32_t worker() const override { return 0; }
  [[nodiscard]] rpc::BootNs now() const override { return rpc::BootNow(); }
  [[nodiscard]] std::string peer() const override { return "10.0.0.1"; }
  [[nodiscard]] bool Send(std::string_view message) override {
    OBJPOOL_CHECK(!status_ && !gone_, "nothing is sent behind the end");
    if (sent_.size() >= kMostSent) return false;
    sent_.emplace_back(message);
    return true;
  }
  [[nodiscard]] bool sending() const override { return !sent_.empty(); }
  void Finish(const rpc::Status& status) override {
    OBJPOOL_CHECK(!status_ && !gone_, "a call ends once");
    status_ = status;
  }

  // What the client does. Nothing where the call is over, and no message that is not wanted.
  void Say(std::string_view message) {
    if (!over() && !half_closed_ && handler_->WantsMessage()) handler_->OnMessage(message);
  }
  void HalfClose() {
    if (over() || std::exchange(half_closed_, true)) return;
    handler_->OnHalfClose();
  }
  void Leave() {
    if (over()) return;
    gone_ = true;
    handler_->OnGone();
  }
  // What the engine does.
  void Tick() {
    if (!over()) handler_->OnTick();
  }
  void Shutdown() {
    if (!over()) handler_->OnShutdown();
  }
  // All that was sent has left.
  [[nodiscard]] std::vector<std::string> Take() {
    std::vector<std::string> taken = std::exchange(sent_, {});
    if (!taken.empty() && !over()) handler_->OnSent();
    return taken;
  }
  [[nodiscard]] bool over() const { return status_.has_value() || gone_; }
  [[nodiscard]] const std::optional<rpc::Status>& status() const { return status_; }

 private:
  static constexpr std::size_t kMostSent = 64;

  std::vector<std::string> sent_;
  bool half_closed_ = false;
  bool gone_ = false;
  std::optional<rpc::Status> status_;
  std::unique_ptr<rpc::StreamHandler> handler_;
};

}  // namespace objpool::fuzz
