// The calls of Client that name many grants at once, with and without waiting.
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <chrono>
#include <memory>
#include <utility>

#include "client/batches.h"
#include "client/client.h"

namespace objpool::client {
namespace {

// What a call needs until it is answered.
template <typename Request, typename Response>
struct Started {
  std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
  Request request;
  Response response;
  std::size_t refs = 0;
  LeaseClock::time_point sent{};
  std::shared_ptr<grpc::Channel> channel;
  Client::BatchDone done;

  void Ended(const grpc::Status& status) {
    const bool connected = channel->GetState(false) == GRPC_CHANNEL_READY;
    // Whoever is told may end the client at once. A channel must not end on a thread of its own, so
    // nothing here may hold it by then.
    context.reset();
    channel.reset();
    done(ResultOf(ErrorOf(status, connected), refs, response, sent));
  }
};

// `start` is given the call and what to do at its end, which frees it.
template <typename Response, typename Request, typename Start>
void StartCall(Request request, std::size_t refs, Milliseconds limit,
               const std::shared_ptr<grpc::Channel>& channel, const Client::BatchDone& done,
               Start start) {
  // Shared, because std::function copies what it holds.
  const auto call = std::make_shared<Started<Request, Response>>();
  call->request = std::move(request);
  call->refs = refs;
  call->channel = channel;
  call->done = done;
  call->context->set_deadline(std::chrono::system_clock::now() + limit);
  call->sent = LeaseClock::now();
  start(*call, [call](const grpc::Status& status) { call->Ended(status); });
}

}  // namespace

BatchResult Client::Return(std::string_view pool, std::span<const Ref> refs,
                           v1::Disposition disposition) const {
  const v1::ReturnRequest request = ReturnOf(pool, refs, disposition);
  v1::ReturnResponse response;
  LeaseClock::time_point sent{};
  const Error error = Run(
      [&](grpc::ClientContext& context) { return leases_->Return(&context, request, &response); },
      Milliseconds(0), &sent);
  return ResultOf(error, refs.size(), response, sent);
}

BatchResult Client::Renew(std::string_view pool, std::span<const Ref> refs,
                          Milliseconds ttl) const {
  const v1::RenewRequest request = RenewOf(pool, refs, ttl);
  v1::RenewResponse response;
  LeaseClock::time_point sent{};
  const Error error = Run(
      [&](grpc::ClientContext& context) { return leases_->Renew(&context, request, &response); },
      Milliseconds(0), &sent);
  return ResultOf(error, refs.size(), response, sent);
}

void Client::StartReturn(std::string_view pool, std::span<const Ref> refs,
                         v1::Disposition disposition, Milliseconds limit,
                         const BatchDone& done) const {
  StartCall<v1::ReturnResponse>(ReturnOf(pool, refs, disposition), refs.size(), limit, channel_,
                                done, [this](auto& call, auto ended) {
                                  leases_->async()->Return(call.context.get(), &call.request,
                                                           &call.response, std::move(ended));
                                });
}

void Client::StartRenew(std::string_view pool, std::span<const Ref> refs, Milliseconds ttl,
                        Milliseconds limit, const BatchDone& done) const {
  StartCall<v1::RenewResponse>(RenewOf(pool, refs, ttl), refs.size(), limit, channel_, done,
                               [this](auto& call, auto ended) {
                                 leases_->async()->Renew(call.context.get(), &call.request,
                                                         &call.response, std::move(ended));
                               });
}

}  // namespace objpool::client
