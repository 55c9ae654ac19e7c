#include "client/client.h"

#include <grpcpp/client_context.h>

#include <chrono>
#include <thread>
#include <utility>

#include "client/channel.h"

namespace objpool::client {
namespace {

constexpr uint32_t kPoolsPerPage = 1000;
// 1024 pools at most, and some more should that limit grow.
constexpr int kMaxPages = 16;

}  // namespace

Client::Client(ClientOptions options)
    : options_(std::move(options)),
      channel_(MakeChannel(options_)),
      leases_(v1::LeaseService::NewStub(channel_)),
      pools_(v1::PoolService::NewStub(channel_)),
      buffers_(v1::BufferService::NewStub(channel_)),
      health_(grpc::health::v1::Health::NewStub(channel_)) {}

bool Client::Connect(Milliseconds time) const {
  return channel_->WaitForConnected(std::chrono::system_clock::now() + time);
}

Error Client::Run(const Call& call, Milliseconds wait, LeaseClock::time_point* sent) const {
  const Deadline deadline = std::chrono::system_clock::now() + options_.timeout + wait;
  for (uint32_t attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    context.set_deadline(deadline);
    if (sent != nullptr) *sent = LeaseClock::now();
    const grpc::Status status = call(context);
    if (status.ok()) return {};
    Error error = ErrorOf(status, channel_->GetState(false) == GRPC_CHANNEL_READY);
    if (!AwaitNextAttempt(error, attempt, deadline)) return error;
  }
}

bool Client::AwaitNextAttempt(const Error& error, uint32_t failed, Deadline deadline) const {
  if (failed >= options_.retry.max_attempts || !MayRepeat(error)) return false;
  const Deadline next =
      std::chrono::system_clock::now() + PauseAfter(failed, error, options_.retry, RandomNumber());
  if (next >= deadline) return false;
  // Meanwhile somebody has to work on the connection. Where it is there early, the pause goes on:
  // all clients of a server that comes back would come at once.
  if (channel_->WaitForConnected(next)) std::this_thread::sleep_until(next);
  return true;
}

Result<v1::LeaseResponse> Client::Lease(const v1::LeaseRequest& request) const {
  if (options_.retry.max_attempts > 1 && request.request_id().empty()) {
    v1::LeaseRequest named = request;
    named.set_request_id(NewRequestId());
    return Lease(named);
  }
  Result<v1::LeaseResponse> result;
  result.error = Run(
      [&](grpc::ClientContext& context) {
        return leases_->Lease(&context, request, &result.value);
      },
      DurationOf(request.max_wait()), &result.sent);
  return result;
}

Result<v1::Grant> Client::GetGrant(std::string_view pool, uint64_t handle) const {
  v1::GetGrantRequest request;
  request.set_pool(std::string(pool));
  request.set_handle(handle);
  v1::GetGrantResponse response;
  Error error = Run([&](grpc::ClientContext& context) {
    return leases_->GetGrant(&context, request, &response);
  });
  return {.value = response.grant(), .error = std::move(error)};
}

Result<v1::CheckFenceResponse> Client::CheckFence(std::string_view pool, uint64_t handle,
                                                  uint64_t fence) const {
  v1::CheckFenceRequest request;
  request.set_pool(std::string(pool));
  request.set_handle(handle);
  request.set_fence(fence);
  Result<v1::CheckFenceResponse> result;
  result.error = Run([&](grpc::ClientContext& context) {
    return leases_->CheckFence(&context, request, &result.value);
  });
  return result;
}

Result<v1::ListGrantsResponse> Client::ListGrants(const v1::ListGrantsRequest& request) const {
  Result<v1::ListGrantsResponse> result;
  result.error = Run([&](grpc::ClientContext& context) {
    return leases_->ListGrants(&context, request, &result.value);
  });
  return result;
}

Result<v1::RevokeGrantResponse> Client::RevokeGrant(std::string_view pool, uint64_t handle,
                                                    uint64_t fence) const {
  v1::RevokeGrantRequest request;
  request.set_pool(std::string(pool));
  request.set_handle(handle);
  request.set_fence(fence);
  Result<v1::RevokeGrantResponse> result;
  result.error = Run([&](grpc::ClientContext& context) {
    return pools_->RevokeGrant(&context, request, &result.value);
  });
  return result;
}

Result<std::vector<v1::Pool>> Client::ListPools() const {
  Result<std::vector<v1::Pool>> result;
  v1::ListPoolsRequest request;
  request.set_page_size(kPoolsPerPage);
  for (int page = 0; page < kMaxPages; ++page) {
    v1::ListPoolsResponse response;
    result.error = Run([&](grpc::ClientContext& context) {
      return pools_->ListPools(&context, request, &response);
    });
    if (!result.ok()) return result;
    result.value.insert(result.value.end(), response.pools().begin(), response.pools().end());
    if (response.next_page_token().empty()) return result;
    request.set_page_token(response.next_page_token());
  }
  result.error.code = grpc::StatusCode::OUT_OF_RANGE;
  result.error.message = "the server's list of pools does not end";
  return result;
}

Result<v1::Pool> Client::GetPool(std::string_view pool) const {
  v1::GetPoolRequest request;
  request.set_name(std::string(pool));
  v1::GetPoolResponse response;
  Error error = Run(
      [&](grpc::ClientContext& context) { return pools_->GetPool(&context, request, &response); });
  return {.value = response.pool(), .error = std::move(error)};
}

Result<v1::GetPoolStatsResponse> Client::GetPoolStats(std::string_view pool) const {
  v1::GetPoolStatsRequest request;
  request.set_name(std::string(pool));
  Result<v1::GetPoolStatsResponse> result;
  result.error = Run([&](grpc::ClientContext& context) {
    return pools_->GetPoolStats(&context, request, &result.value);
  });
  return result;
}

Result<grpc::health::v1::HealthCheckResponse::ServingStatus> Client::Check(
    std::string_view service) const {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(std::string(service));
  grpc::health::v1::HealthCheckResponse response;
  Error error = Run(
      [&](grpc::ClientContext& context) { return health_->Check(&context, request, &response); });
  return {.value = response.status(), .error = std::move(error)};
}

}  // namespace objpool::client
