#include "client/batches.h"

#include <string>

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

}  // namespace

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

v1::AttachRequest AttachOf(std::string_view pool, std::span<const Ref> refs) {
  v1::AttachRequest request;
  for (const Ref& ref : refs) {
    v1::AttachItem& item = *request.add_items();
    item.set_pool(std::string(pool));
    *item.mutable_grant() = GrantRefOf(ref);
  }
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

BatchResult ResultOf(const Error& error, std::size_t refs, const v1::AttachResponse& response,
                     LeaseClock::time_point sent) {
  const auto read = [](const v1::AttachResult& from, ItemResult& item) {
    if (from.has_error()) item.error = ErrorOf(from.error());
  };
  return {.items = ItemsOf(error, refs, response.results(), read),
          .ttl = Milliseconds(0),
          .expire_time = {},
          .sent = sent};
}

}  // namespace objpool::client
