#include "server/service/plain_calls.h"

#include <algorithm>

#include "server/lease/batch_room.h"
#include "server/service/errors.h"
#include "server/service/fields.h"
#include "server/service/plain_wire.h"

namespace objpool::server {

using google::rpc::Status;
using lease::BatchRoom;
using lease::GrantRef;
using lease::Verdict;
using settings::Method;

std::string& PlainCalls::NewReply(const rpc::UnaryCall& call) {
  std::string& reply = replies_[call.worker()].bytes;
  reply.clear();
  return reply;
}

void PlainCalls::Finish(rpc::UnaryCall& call, const std::string& reply) {
  std::ranges::copy(reply, call.AllocateReply(reply.size()));
  call.Finish({});
}

bool PlainCalls::Lease(rpc::UnaryCall& call) {
  PlainLease request;
  if (!ReadPlainLease(call.request(), request)) return false;
  uint64_t ticket = 0;
  CallInfo info{
      .worker = call.worker(), .now = clock_.At(call.now()), .call = &call, .ticket = &ticket};
  if (const auto refusal = gate_.Enter(info, {.method = Method::kLease, .pool = request.pool})) {
    call.Finish(ToCallStatus(*refusal));
    return true;
  }
  BatchRoom<GrantRef> room;
  LeaseService::PlainGrants grants;
  if (const auto error = service_.LeasePlain(info, request, room, grants)) {
    call.Finish(ToCallStatus(*error));
    return true;
  }
  std::string& reply = NewReply(call);
  if (const auto first_id = FirstPlainId(*grants.pool)) {
    AppendLeaseReply(grants.refs, *first_id, TimesFromNow(grants.ttl_ms), reply);
  } else {
    v1::LeaseResponse message;
    FillLeaseResponse(*grants.pool, grants.refs, grants.ttl_ms, message);
    message.AppendToString(&reply);
  }
  ticket != 0 ? service_.disk().Hold(call, ticket, reply) : Finish(call, reply);
  return true;
}

bool PlainCalls::Return(rpc::UnaryCall& call) {
  BatchRoom<GrantRef> room;
  PlainReturn request;
  if (!ReadPlainReturn(call.request(), room, request)) return false;
  CallInfo info{.worker = call.worker(), .now = clock_.At(call.now()), .call = &call};
  if (const auto refusal = gate_.Enter(info, {.method = Method::kReturn, .pool = request.pool})) {
    call.Finish(ToCallStatus(*refusal));
    return true;
  }
  BatchRoom<Verdict> verdicts;
  LeaseService::PlainEnds ends;
  auto error = service_.ReturnPlain(info, request, verdicts, ends);
  std::string& reply = NewReply(call);
  const auto is_ok = [](const Verdict& verdict) { return verdict.outcome == lease::Outcome::kOk; };
  if (!error && std::ranges::all_of(ends.verdicts, is_ok)) {
    AppendReturnReply(ends.verdicts.size(), reply);
  } else if (!error) {
    v1::ReturnResponse message;
    const Status status =
        LeaseService::AnswerReturn(*ends.pool, request.refs, ends.verdicts, info.now, message);
    if (status.code() != 0) error = status;
    message.AppendToString(&reply);
  }
  error ? call.Finish(ToCallStatus(*error)) : Finish(call, reply);
  return true;
}

}  // namespace objpool::server
