// The calls of Client that name many grants at once, with and without waiting.
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <chrono>
#include <memory>
#include <utility>

#include "client/client.h"

namespace objpool::client {
namespace {

// The items of an answer, one for each ref. `results` is what the server sent for a call that went
// well.
template <typename Results, typename Read>
std::vector<ItemResult> ItemsOf(const Error& call, std::size_t refs, const Results& results,
                                Read read) {
  std::vector<ItemResult> items(refs);
  for (std::size_t i = 0; i < refs; ++i) {
    if (!call.ok()) {
      items[i].error = call;
    } else if (static_cast<int>(i) >= results.size()) {
      items[i].error.code = grpc::StatusCode::INTERNAL;
      items[i].error.message = "the server's answer has no result for this one";
    } else {
      read(results[static_cast<int>(i)], items[i]);
    }
  }
  return items;
}

v1::ReturnRequest ReturnOf(std::string_view pool, std::span<const Ref> refs,
                           v1::Disposition disposition) {
  v1::ReturnRequest request;
  request.set_pool(std::string(pool));
  for (const Ref& ref : refs) {
    v1::ReturnItem& item = *request.add_items();
    *item.mutable_grant() = GrantRefOf(ref);
    if (disposition != v1::DISPOSITION_CLEAN) item.set_disposition(disposition);
  }
  return request;
}

v1::RenewRequest RenewOf(std::string_view pool, std::span<const Ref> refs, Milliseconds ttl) {
  v1::RenewRequest request;
  request.set_pool(std::string(pool));
  for (const Ref& ref : refs) *request.add_grants() = GrantRefOf(ref);
  if (ttl.count() != 0) *request.mutable_ttl() = ProtoDuration(ttl);
  return request;
}

BatchResult ResultOf(const Error& error, std::size_t refs, const v1::ReturnResponse& response,
                     LeaseClock::time_point sent) {
  const auto read = [](const v1::ReturnResult& from, ItemResult& item) {
    if (from.has_error()) item.error = ErrorOf(from.error());
    item.already_returned = from.already_returned();
  };
  return {.items = ItemsOf(error, refs, response.results(), read),
          .ttl = Milliseconds(0),
          .expire_time = {},
          .sent = sent};
}

BatchResult ResultOf(const Error& error, std::size_t refs, const v1::RenewResponse& response,
                     LeaseClock::time_point sent) {
  const auto read = [](const v1::RenewResult& from, ItemResult& item) {
    if (from.has_error()) item.error = ErrorOf(from.error());
  };
  return {.items = ItemsOf(error, refs, response.results(), read),
          .ttl = DurationOf(response.ttl()),
          .expire_time = response.expire_time(),
          .sent = sent};
}

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
               std::shared_ptr<grpc::Channel> channel, Client::BatchDone done, Start start) {
  // Shared, because std::function copies what it holds.
  const auto call = std::make_shared<Started<Request, Response>>();
  call->request = std::move(request);
  call->refs = refs;
  call->channel = std::move(channel);
  call->done = std::move(done);
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
                         v1::Disposition disposition, Milliseconds limit, BatchDone done) const {
  StartCall<v1::ReturnResponse>(ReturnOf(pool, refs, disposition), refs.size(), limit, channel_,
                                std::move(done), [this](auto& call, auto ended) {
                                  leases_->async()->Return(call.context.get(), &call.request,
                                                           &call.response, std::move(ended));
                                });
}

void Client::StartRenew(std::string_view pool, std::span<const Ref> refs, Milliseconds ttl,
                        Milliseconds limit, BatchDone done) const {
  StartCall<v1::RenewResponse>(RenewOf(pool, refs, ttl), refs.size(), limit, channel_,
                               std::move(done), [this](auto& call, auto ended) {
                                 leases_->async()->Renew(call.context.get(), &call.request,
                                                         &call.response, std::move(ended));
                               });
}

}  // namespace objpool::client
