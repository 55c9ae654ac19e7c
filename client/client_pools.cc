// The calls of Client that make, change, watch and end pools, and look after single handles.
#include <grpcpp/client_context.h>

#include <chrono>
#include <utility>

#include "client/client.h"

namespace objpool::client {
namespace {

// A request that has nothing but the pool's name.
template <typename Request>
Request Named(std::string_view pool) {
  Request request;
  request.set_name(std::string(pool));
  return request;
}

template <typename Request>
Request OfHandle(std::string_view pool, uint64_t handle) {
  Request request;
  request.set_pool(std::string(pool));
  request.set_handle(handle);
  return request;
}

}  // namespace

Error Client::RunOnce(const Call& call) const {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + options_.timeout);
  const grpc::Status status = call(context);
  if (status.ok()) return {};
  return ErrorOf(status, channel_->GetState(false) == GRPC_CHANNEL_READY);
}

Result<v1::Pool> Client::CreatePool(const v1::CreatePoolRequest& request) const {
  v1::CreatePoolResponse response;
  Error error = RunOnce([&](grpc::ClientContext& context) {
    return pools_->CreatePool(&context, request, &response);
  });
  return {.value = response.pool(), .error = std::move(error)};
}

Result<v1::Pool> Client::UpdatePool(const v1::UpdatePoolRequest& request) const {
  v1::UpdatePoolResponse response;
  Error error = Run([&](grpc::ClientContext& context) {
    return pools_->UpdatePool(&context, request, &response);
  });
  return {.value = response.pool(), .error = std::move(error)};
}

Result<v1::Pool> Client::DrainPool(std::string_view pool) const {
  const auto request = Named<v1::DrainPoolRequest>(pool);
  v1::DrainPoolResponse response;
  Error error = Run([&](grpc::ClientContext& context) {
    return pools_->DrainPool(&context, request, &response);
  });
  return {.value = response.pool(), .error = std::move(error)};
}

Result<v1::Pool> Client::ResumePool(std::string_view pool) const {
  const auto request = Named<v1::ResumePoolRequest>(pool);
  v1::ResumePoolResponse response;
  Error error = Run([&](grpc::ClientContext& context) {
    return pools_->ResumePool(&context, request, &response);
  });
  return {.value = response.pool(), .error = std::move(error)};
}

Result<v1::Pool> Client::DeletePool(std::string_view pool) const {
  const auto request = Named<v1::DeletePoolRequest>(pool);
  v1::DeletePoolResponse response;
  Error error = RunOnce([&](grpc::ClientContext& context) {
    return pools_->DeletePool(&context, request, &response);
  });
  return {.value = response.pool(), .error = std::move(error)};
}

Result<v1::AuditPoolResponse> Client::AuditPool(std::string_view pool) const {
  v1::AuditPoolRequest request;
  request.set_pool(std::string(pool));
  Result<v1::AuditPoolResponse> result;
  result.error = Run([&](grpc::ClientContext& context) {
    return pools_->AuditPool(&context, request, &result.value);
  });
  return result;
}

Error Client::WatchPool(std::string_view pool, Milliseconds min_interval,
                        grpc::ClientContext& context, const TakePool& take) const {
  auto request = Named<v1::WatchPoolRequest>(pool);
  if (min_interval.count() != 0) *request.mutable_min_interval() = ProtoDuration(min_interval);
  const auto stream = pools_->WatchPool(&context, request);
  v1::WatchPoolResponse response;
  while (stream->Read(&response)) {
    if (take(response.pool())) continue;
    context.TryCancel();
    static_cast<void>(stream->Finish());
    return {};
  }
  const grpc::Status status = stream->Finish();
  if (status.ok()) return {};
  return ErrorOf(status, channel_->GetState(false) == GRPC_CHANNEL_READY);
}

Result<v1::PoolHandle> Client::GetHandle(std::string_view pool, uint64_t handle) const {
  const auto request = OfHandle<v1::GetHandleRequest>(pool, handle);
  v1::GetHandleResponse response;
  Error error = Run([&](grpc::ClientContext& context) {
    return pools_->GetHandle(&context, request, &response);
  });
  return {.value = response.handle(), .error = std::move(error)};
}

Result<v1::ListHandlesResponse> Client::ListHandles(const v1::ListHandlesRequest& request) const {
  Result<v1::ListHandlesResponse> result;
  result.error = Run([&](grpc::ClientContext& context) {
    return pools_->ListHandles(&context, request, &result.value);
  });
  return result;
}

Result<v1::PoolHandle> Client::QuarantineHandle(std::string_view pool, uint64_t handle) const {
  const auto request = OfHandle<v1::QuarantineHandleRequest>(pool, handle);
  v1::QuarantineHandleResponse response;
  Error error = Run([&](grpc::ClientContext& context) {
    return pools_->QuarantineHandle(&context, request, &response);
  });
  return {.value = response.handle(), .error = std::move(error)};
}

Result<v1::PoolHandle> Client::ReinstateHandle(std::string_view pool, uint64_t handle) const {
  const auto request = OfHandle<v1::ReinstateHandleRequest>(pool, handle);
  v1::ReinstateHandleResponse response;
  Error error = RunOnce([&](grpc::ClientContext& context) {
    return pools_->ReinstateHandle(&context, request, &response);
  });
  return {.value = response.handle(), .error = std::move(error)};
}

}  // namespace objpool::client
