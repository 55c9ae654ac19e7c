#include "server/service/health_service.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

namespace objpool::server {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr const char* kHealthService = "grpc.health.v1.Health";

// One watcher: told the state now, and whenever it changes.
class Watch final : public rpc::StreamHandler {
 public:
  Watch(const HealthService& health, rpc::StreamCall& call) : health_(health), call_(call) {}

  void OnMessage(std::string_view message) override {
    HealthCheckRequest request;
    if (name_.has_value()) {
      Finish({rpc::Code::kInvalidArgument, "one request a call", {}});
    } else if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      Finish(ToCallStatus(Malformed(HealthCheckRequest::descriptor()->full_name())));
    } else {
      name_ = request.service();
      Tell();
    }
  }
  void OnHalfClose() override {
    if (!name_) Finish({rpc::Code::kInvalidArgument, "the call carries no request message", {}});
  }
  void OnTick() override { Tell(); }
  void OnShutdown() override {
    Tell();
    Finish({rpc::Code::kUnavailable, "the server is shutting down", {}});
  }

 private:
  void Tell() {
    if (finished_ || !name_) return;
    const auto state = health_.StateOf(*name_);
    if (state == told_) return;
    told_ = state;
    HealthCheckResponse reply;
    reply.set_status(state);
    if (!call_.Send(reply.SerializeAsString())) {
      Finish({rpc::Code::kResourceExhausted, "the client does not read", {}});
    }
  }
  void Finish(const rpc::Status& status) {
    if (finished_) return;
    finished_ = true;
    call_.Finish(status);
  }

  const HealthService& health_;
  rpc::StreamCall& call_;
  std::optional<std::string> name_;
  HealthCheckResponse::ServingStatus told_ = HealthCheckResponse::UNKNOWN;
  bool finished_ = false;
};

}  // namespace

HealthCheckResponse::ServingStatus HealthService::StateOf(std::string_view name) const {
  const bool known = name.empty() || std::ranges::find(services_, name) != services_.end() ||
                     (name.starts_with("pools/") && pools_.Find(name) != nullptr);
  if (!known) return HealthCheckResponse::SERVICE_UNKNOWN;
  const NamedPool* const pool = name.starts_with("pools/") ? pools_.Find(name) : nullptr;
  const bool serving =
      serving_.load(std::memory_order_relaxed) && (pool == nullptr || !pool->leases->draining());
  return serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

google::rpc::Status HealthService::Check(const CallInfo& /*info*/,
                                         const HealthCheckRequest& request,
                                         HealthCheckResponse& reply) const {
  const auto state = StateOf(request.service());
  if (state == HealthCheckResponse::SERVICE_UNKNOWN) return ServiceUnknown(request.service());
  reply.set_status(state);
  return {};
}

void HealthService::AddTo(rpc::MethodTable& methods, uint32_t workers) {
  methods.Add(
      kHealthService, "Check",
      TypedHandler<HealthCheckRequest, HealthCheckResponse>(
          std::nullopt, pools_.clock(), workers, std::bind_front(&HealthService::Check, this)));
  methods.Add(kHealthService, "Watch",
              [this](rpc::StreamCall& call) { return std::make_unique<Watch>(*this, call); });
  services_ = methods.Services();
}

}  // namespace objpool::server
