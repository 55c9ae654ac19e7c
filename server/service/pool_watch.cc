#include "server/service/pool_watch.h"

#include <string>
#include <string_view>

#include "objpool/v1/pool_service.pb.h"
#include "server/rpc/boot_clock.h"
#include "server/service/errors.h"
#include "server/service/fields.h"
#include "server/service/pool_service.h"

namespace objpool::server {
namespace {

constexpr uint64_t kMinIntervalMs = 100;
constexpr uint64_t kMaxIntervalMs = 3'600'000;
constexpr uint64_t kDefaultIntervalMs = 1000;

class Watch final : public rpc::StreamHandler {
 public:
  Watch(const PoolSet& pools, Gate& gate, rpc::StreamCall& call)
      : pools_(pools), gate_(gate), call_(call), peer_(call.peer()) {}

  void OnMessage(std::string_view message) override {
    v1::WatchPoolRequest request;
    if (interval_ms_ != 0) {
      Finish({rpc::Code::kInvalidArgument, "one request a call", {}});
    } else if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      Finish(ToCallStatus(Malformed(v1::WatchPoolRequest::descriptor()->full_name())));
    } else {
      Begin(request);
    }
  }
  void OnHalfClose() override {
    if (interval_ms_ == 0) {
      Finish({rpc::Code::kInvalidArgument, "the call carries no request message", {}});
    }
  }
  void OnTick() override {
    if (interval_ms_ != 0 && rpc::BootNow() / 1'000'000 >= next_ms_) Tell();
  }
  void OnShutdown() override {
    Tell();
    Finish(ToCallStatus(ShuttingDown()));
  }

 private:
  void Begin(const v1::WatchPoolRequest& request) {
    Violations bad;
    if (request.name().empty()) bad.Add("name", "is required");
    interval_ms_ = kDefaultIntervalMs;
    if (request.has_min_interval()) {
      interval_ms_ = AtLeastMs("min_interval", request.min_interval(), bad);
      if (bad.empty() && (interval_ms_ < kMinIntervalMs || interval_ms_ > kMaxIntervalMs)) {
        bad.Add("min_interval", OutOfRange(kMinIntervalMs, kMaxIntervalMs, interval_ms_) + " ms");
      }
    }
    name_ = request.name();
    bad.empty() ? Tell() : Finish(ToCallStatus(bad.ToError()));
  }

  // What it is, if that is not what was told last.
  void Tell() {
    if (finished_ || interval_ms_ == 0) return;
    CallInfo info{.worker = call_.worker(), .now = {}, .peer = peer_};
    const Gate::Ask ask{.method = settings::Method::kWatchPool, .pool = name_};
    if (const auto refusal = gate_.Enter(info, ask)) {
      Finish(ToCallStatus(*refusal));
      return;
    }
    const NamedPool* const pool = pools_.Find(name_);
    if (pool == nullptr) {
      Finish(ToCallStatus(PoolUnknown(name_)));
      return;
    }
    const rpc::BootNs now = rpc::BootNow();
    next_ms_ = (now / 1'000'000) + interval_ms_;
    v1::WatchPoolResponse reply;
    DescribePool(*pool, pools_.clock().At(now), *reply.mutable_pool());
    const std::string whole = reply.SerializeAsString();
    // It is another one each time while anybody waits.
    reply.mutable_pool()->clear_oldest_wait();
    std::string text = reply.SerializeAsString();
    if (text == told_) return;
    if (!call_.Send(whole)) {
      Finish({rpc::Code::kResourceExhausted, "the client does not read", {}});
      return;
    }
    told_ = std::move(text);
  }
  void Finish(const rpc::Status& status) {
    if (finished_) return;
    finished_ = true;
    call_.Finish(status);
  }

  const PoolSet& pools_;
  Gate& gate_;
  rpc::StreamCall& call_;
  const std::string peer_;
  std::string name_;
  uint64_t interval_ms_ = 0;  // 0 until the request has come
  uint64_t next_ms_ = 0;
  std::string told_;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<rpc::StreamHandler> WatchPool(const PoolSet& pools, Gate& gate,
                                              rpc::StreamCall& call) {
  return std::make_unique<Watch>(pools, gate, call);
}

}  // namespace objpool::server
