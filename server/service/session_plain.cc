// The operations of a session that need no message to be made of them.
#include "server/lease/batch_room.h"
#include "server/service/errors.h"
#include "server/service/fields.h"
#include "server/service/session_stream.h"

namespace objpool::server {

using google::rpc::Status;
using settings::Method;

bool SessionStream::ServePlain(std::string_view message) {
  std::vector<PlainOperation>& operations = service_.plain_operations(worker_);
  if (!ReadPlainOperations(message, operations)) return false;
  const lease::BootMs now = Now();
  std::size_t done = 0;
  serving_ = true;
  while (HasRoom() && done < operations.size()) {
    const PlainOperation& operation = operations[done++];
    operation.is_lease ? LeasePlain(operation, now) : ReturnPlain(operation, now);
  }
  serving_ = false;
  if (done == operations.size()) return true;
  // What there is no room to answer now is kept, and served as any other.
  (void)request_->ParseFromArray(message.data(), static_cast<int>(message.size()));
  next_ = static_cast<int>(done);
  return true;
}

void SessionStream::LeasePlain(const PlainOperation& operation, lease::BootMs now) {
  uint64_t ticket = 0;
  CallInfo info{.worker = worker_, .now = now, .ticket = &ticket, .peer = peer_};
  PlainLease request = operation.lease;
  if (request.holder.empty()) request.holder = session_->holder;
  if (const auto refusal =
          service_.gate().Enter(info, {.method = Method::kLease, .pool = request.pool})) {
    return Refuse(operation.id, *refusal);
  }
  if (!RoomFor(1)) return Refuse(operation.id, TooManySessionGrants());
  lease::BatchRoom<lease::GrantRef> room;
  LeaseService::PlainGrants grants;
  const auto error = service_.leases().LeasePlain(info, request, room, grants);
  ticket_ = std::max(ticket_, ticket);
  if (error) return Refuse(operation.id, *error);
  const lease::GrantRef& ref = grants.refs.front();
  HoldOne(*grants.pool, ref, grants.ttl_ms, now + grants.ttl_ms + 1, false, now);
  if (const auto first_id = FirstPlainId(*grants.pool)) {
    AppendLeaseAnswer(operation.id, ref, *first_id, TimesFromNow(grants.ttl_ms), collected_);
    return;
  }
  v1::SessionAnswer& answer = NewAnswer(operation.id);
  FillLeaseResponse(*grants.pool, grants.refs, grants.ttl_ms, *answer.mutable_lease());
  Tell(answer, {});
}

void SessionStream::ReturnPlain(const PlainOperation& operation, lease::BootMs now) {
  CallInfo info{.worker = worker_, .now = now, .peer = peer_};
  const lease::GrantRef& ref = operation.ref;
  const PlainReturn request{.pool = operation.pool, .refs = std::span(&ref, 1)};
  if (const auto refusal =
          service_.gate().Enter(info, {.method = Method::kReturn, .pool = request.pool})) {
    return Refuse(operation.id, *refusal);
  }
  lease::BatchRoom<lease::Verdict> room;
  LeaseService::PlainEnds ends;
  if (const auto error = service_.leases().ReturnPlain(info, request, room, ends)) {
    return Refuse(operation.id, *error);
  }
  bool already_returned = false;
  if (ends.verdicts.front().outcome != lease::Outcome::kOk) {
    v1::ReturnResponse reply;
    const Status error =
        LeaseService::AnswerReturn(*ends.pool, request.refs, ends.verdicts, now, reply);
    if (error.code() != 0) return Refuse(operation.id, error);
    already_returned = reply.results(0).already_returned();
  }
  const std::size_t before = session_->grants.size();
  (void)session_->grants.Remove(ends.pool->spec.name, ref.handle, ref.fence);
  service_.directory().Count(before, session_->grants.size());
  AppendReturnAnswer(operation.id, already_returned, collected_);
}

}  // namespace objpool::server
