// The operations of a session that need no message to be made of them.
#include <google/protobuf/duration.pb.h>

#include <chrono>
#include <variant>

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
    operation.is_lease ? LeaseOne(operation, now) : ReturnOne(operation, now);
  }
  serving_ = false;
  if (done == operations.size()) return true;
  // What there is no room to answer now is kept, and served as any other.
  (void)request_->ParseFromArray(message.data(), static_cast<int>(message.size()));
  next_ = static_cast<int>(done);
  return true;
}

void SessionStream::LeaseOne(const PlainOperation& operation, lease::BootMs now) {
  uint64_t ticket = 0;
  CallInfo info{.worker = worker_, .now = now, .ticket = &ticket, .peer = peer_};
  if (const auto refusal =
          service_.gate().Enter(info, {.method = Method::kLease, .pool = operation.pool})) {
    return Refuse(operation.id, *refusal);
  }
  if (!RoomFor(1)) return Refuse(operation.id, TooManySessionGrants());
  std::optional<google::protobuf::Duration> ttl;
  if (operation.ttl) {
    ttl.emplace();
    ttl->set_seconds(operation.ttl->seconds);
    ttl->set_nanos(operation.ttl->nanos);
  }
  LeaseService::OneGrant grant;
  const Status error = service_.leases().LeaseOne(
      info,
      {.pool = operation.pool,
       .holder = operation.holder.empty() ? session_->holder : operation.holder,
       .ttl = ttl ? &*ttl : nullptr},
      grant);
  ticket_ = std::max(ticket_, ticket);
  if (error.code() != 0) return Refuse(operation.id, error);
  HoldOne(*grant.pool, grant.ref, grant.ttl_ms, now + grant.ttl_ms + 1, false, now);
  TellGrant(operation.id, grant);
}

void SessionStream::TellGrant(uint64_t id, const LeaseService::OneGrant& grant) {
  const NamedPool& pool = *grant.pool;
  const auto* const ids = std::get_if<IdsSpec>(&pool.spec.kind);
  const lease::HandleClasses& classes = pool.leases->classes();
  if (ids == nullptr || classes.count() != 1 || !classes.LabelsOf(0).empty()) {
    v1::SessionAnswer& answer = NewAnswer(id);
    FillLeaseResponse(pool, std::span(&grant.ref, 1), grant.ttl_ms, *answer.mutable_lease());
    return Tell(answer, {});
  }
  const auto wall_clock = std::chrono::system_clock::now().time_since_epoch();
  const auto now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(wall_clock).count();
  AppendLeaseAnswer(id,
                    {.ref = grant.ref,
                     .value = ids->first + static_cast<int64_t>(grant.ref.handle),
                     .ttl_ms = grant.ttl_ms,
                     .expire_ns = now_ns + (static_cast<int64_t>(grant.ttl_ms) * 1'000'000)},
                    collected_);
}

void SessionStream::ReturnOne(const PlainOperation& operation, lease::BootMs now) {
  CallInfo info{.worker = worker_, .now = now, .peer = peer_};
  if (const auto refusal =
          service_.gate().Enter(info, {.method = Method::kReturn, .pool = operation.pool})) {
    return Refuse(operation.id, *refusal);
  }
  LeaseService::OneEnd end;
  const lease::GrantRef& ref = operation.ref;
  const Status error = service_.leases().ReturnOne(info, operation.pool, ref, end);
  if (error.code() != 0) return Refuse(operation.id, error);
  const std::size_t before = session_->grants.size();
  (void)session_->grants.Remove(end.pool->spec.name, ref.handle, ref.fence);
  service_.directory().Count(before, session_->grants.size());
  AppendReturnAnswer(operation.id, end.already_returned, collected_);
}

}  // namespace objpool::server
