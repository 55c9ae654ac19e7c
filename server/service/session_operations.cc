// The operations of a session: most are the calls of their names, whose functions they use.
#include <algorithm>
#include <utility>

#include "server/service/errors.h"
#include "server/service/fields.h"
#include "server/service/lease_asker.h"
#include "server/service/session_stream.h"

namespace objpool::server {
namespace {

using google::rpc::Status;
using settings::Method;
using Operation = v1::SessionOperation;

constexpr int kMaxLost = 1024;

// A Lease that waits, and whom it is answered to.
class SessionAsker final : public LeaseAsker {
 public:
  SessionAsker(std::shared_ptr<SessionStream::Line> line, uint64_t id, bool named, uint32_t wanted)
      : line_(std::move(line)), id_(id), named_(named), wanted_(wanted) {
    ++line_->waiting;
    line_->waited_for += wanted_;
  }
  ~SessionAsker() override {
    --line_->waiting;
    line_->waited_for -= wanted_;
  }
  SessionAsker(const SessionAsker&) = delete;
  SessionAsker& operator=(const SessionAsker&) = delete;

  [[nodiscard]] bool cancelled() const override { return line_->stream == nullptr; }
  void Cancelled() override {}
  void Served(const NamedPool& pool, const lease::Waiter& waiter) override {
    line_->stream->Served(id_, named_, waiter.ttl_ms, pool, waiter);
  }
  void Refused(const Status& error) override { line_->stream->Refused(id_, error); }

 private:
  const std::shared_ptr<SessionStream::Line> line_;
  const uint64_t id_;
  const bool named_;
  const uint32_t wanted_;
};

uint64_t ToMs(const google::protobuf::Duration& duration) {
  return (static_cast<uint64_t>(duration.seconds()) * 1000) +
         (static_cast<uint64_t>(duration.nanos()) / 1'000'000);
}

std::size_t Cost(int grants) { return static_cast<std::size_t>(std::max(1, grants)); }

}  // namespace

std::size_t SessionStream::Serve(Operation& operation, lease::BootMs now) {
  const uint64_t id = operation.id();
  switch (operation.operation_case()) {
    case Operation::kLease:
      return ServeLease(id, *operation.mutable_lease(), now);
    case Operation::kGiveBack:
      return ServeReturn(id, operation.give_back(), now);
    case Operation::kRenew:
      return ServeRenew(id, operation.renew(), now);
    case Operation::kAttach:
      return ServeAttach(id, operation.attach(), now);
    case Operation::kHeartbeat:
    case Operation::kRelease:
    case Operation::kGoodbye:
      BeginWalk(operation);
      return 1;
    case Operation::OPERATION_NOT_SET:
      break;
  }
  Violations bad;
  bad.Add("operation", "is required");
  Refuse(id, bad.ToError());
  return 1;
}

bool SessionStream::RoomFor(std::size_t grants) const {
  return session_->grants.size() + line_->waited_for + grants <= lease::SessionGrants::kMax &&
         service_.directory().RoomFor(grants);
}

std::size_t SessionStream::ServeLease(uint64_t id, v1::LeaseRequest& request, lease::BootMs now) {
  std::unique_ptr<LeaseAsker> asker;
  uint64_t ticket = 0;
  CallInfo info{.worker = worker_,
                .now = now,
                .call = nullptr,
                .asker = &asker,
                .ticket = &ticket,
                .peer = peer_};
  if (const auto refusal = service_.gate().Enter(info, AskOf(Method::kLease, request))) {
    Refuse(id, *refusal);
    return 1;
  }
  const uint32_t wanted = std::clamp(request.count(), uint32_t{1}, lease::kMaxBatch);
  if (!RoomFor(wanted)) {
    Refuse(id, TooManySessionGrants());
    return 1;
  }
  const bool named = !request.request_id().empty();
  if (request.has_max_wait()) {
    if (line_->waiting >= kMaxWaiting || line_->waited_for + wanted > kMaxWaitedFor) {
      Refuse(id, TooManySessionWaits());
      return 1;
    }
    asker = std::make_unique<SessionAsker>(line_, id, named, wanted);
  }
  if (request.holder().empty() && !session_->holder.empty()) request.set_holder(session_->holder);
  v1::SessionAnswer& answer = NewAnswer(id);
  v1::LeaseResponse& reply = *answer.mutable_lease();
  const std::optional<Status> error = service_.leases().Lease(info, request, reply);
  ticket_ = std::max(ticket_, ticket);
  if (!error) return wanted;
  if (error->code() == 0) KeepBooks(request, reply, now);
  Tell(answer, *error);
  return wanted;
}

void SessionStream::KeepBooks(const v1::LeaseRequest& request, const v1::LeaseResponse& reply,
                              lease::BootMs now) {
  const NamedPool* const pool = service_.pools().Find(request.pool());
  if (pool == nullptr) return;  // gone since, and its grants with it
  Violations none;
  Hold(*pool, reply, TtlMs(request.has_ttl() ? &request.ttl() : nullptr, *pool, none),
       !request.request_id().empty(), now);
}

void SessionStream::Served(uint64_t id, bool named, uint64_t ttl_ms, const NamedPool& pool,
                           const lease::Waiter& waiter) {
  v1::SessionAnswer& answer = NewAnswer(id);
  FillLeaseResponse(pool, waiter.grants, ttl_ms, *answer.mutable_lease());
  Hold(pool, answer.lease(), ttl_ms, named, waiter.served_at);
  ticket_ = std::max(ticket_, service_.leases().disk().TicketFor(pool));
  Tell(answer, {});
  Flush();
}

void SessionStream::Refused(uint64_t id, const Status& error) {
  Refuse(id, error);
  Flush();
}

void SessionStream::Hold(const NamedPool& pool, const v1::LeaseResponse& reply, uint64_t ttl_ms,
                         bool named, lease::BootMs now) {
  // A repeated request has less time left than it asked for.
  const lease::BootMs deadline = now + ToMs(reply.ttl()) + 1;
  for (const v1::Grant& grant : reply.grants()) {
    const v1::GrantRef& ref = grant.ref();
    HoldOne(pool, {ref.handle(), ref.fence(), ref.key()}, ttl_ms, deadline, named, now);
  }
}

void SessionStream::HoldOne(const NamedPool& pool, const lease::GrantRef& ref, uint64_t ttl_ms,
                            lease::BootMs deadline, bool named, lease::BootMs now) {
  const std::size_t before = session_->grants.size();
  session_->grants.Add(pool.spec.name, ref, ttl_ms, deadline, now);
  service_.directory().Count(before, session_->grants.size());
  if (!named) unnamed_.push_back({pool.spec.name, ref});
}

std::size_t SessionStream::ServeReturn(uint64_t id, const v1::ReturnRequest& request,
                                       lease::BootMs now) {
  CallInfo info{.worker = worker_, .now = now, .peer = peer_};
  if (const auto refusal = service_.gate().Enter(info, AskOf(Method::kReturn, request))) {
    Refuse(id, *refusal);
    return 1;
  }
  v1::SessionAnswer& answer = NewAnswer(id);
  v1::ReturnResponse& reply = *answer.mutable_give_back();
  const Status error = service_.leases().Return(info, request, reply);
  const NamedPool* const pool = service_.pools().Find(request.pool());
  if (error.code() == 0 && pool != nullptr) {
    const std::size_t before = session_->grants.size();
    for (int i = 0; i < reply.results_size(); ++i) {
      if (reply.results(i).error().code() != 0) continue;
      const v1::GrantRef& ref = request.items(i).grant();
      (void)session_->grants.Remove(pool->spec.name, ref.handle(), ref.fence());
    }
    service_.directory().Count(before, session_->grants.size());
  }
  Tell(answer, error);
  return Cost(request.items_size());
}

std::size_t SessionStream::ServeRenew(uint64_t id, const v1::RenewRequest& request,
                                      lease::BootMs now) {
  uint64_t ticket = 0;
  CallInfo info{.worker = worker_, .now = now, .ticket = &ticket, .peer = peer_};
  if (const auto refusal = service_.gate().Enter(info, AskOf(Method::kRenew, request))) {
    Refuse(id, *refusal);
    return 1;
  }
  v1::SessionAnswer& answer = NewAnswer(id);
  v1::RenewResponse& reply = *answer.mutable_renew();
  const Status error = service_.leases().Renew(info, request, reply);
  ticket_ = std::max(ticket_, ticket);
  const NamedPool* const pool = service_.pools().Find(request.pool());
  if (error.code() == 0 && pool != nullptr) {
    const uint64_t ttl_ms = ToMs(reply.ttl());
    for (int i = 0; i < reply.results_size(); ++i) {
      if (reply.results(i).error().code() != 0) continue;
      const v1::GrantRef& ref = request.grants(i);
      session_->grants.Renew(pool->spec.name, {ref.handle(), ref.fence(), ref.key()}, ttl_ms,
                             now + ttl_ms + 1);
    }
  }
  Tell(answer, error);
  return Cost(request.grants_size());
}

std::size_t SessionStream::ServeAttach(uint64_t id, const v1::AttachRequest& request,
                                       lease::BootMs now) {
  const int items = request.items_size();
  if (items < 1 || items > static_cast<int>(lease::kMaxBatch)) {
    Violations bad;
    bad.Add("items", "must have 1 .. " + std::to_string(lease::kMaxBatch) + " entries, got " +
                         std::to_string(items));
    Refuse(id, bad.ToError());
    return 1;
  }
  v1::SessionAnswer& answer = NewAnswer(id);
  v1::AttachResponse& reply = *answer.mutable_attach();
  const std::size_t before = session_->grants.size();
  for (int i = 0; i < items; ++i) {
    v1::AttachResult& result = *reply.add_results();
    Status error = AttachOne(request.items(i), i, now);
    if (error.code() != 0) *result.mutable_error() = std::move(error);
  }
  service_.directory().Count(before, session_->grants.size());
  const Status only = items == 1 ? reply.results(0).error() : Status();
  Tell(answer, only);
  return Cost(items);
}

Status SessionStream::AttachOne(const v1::AttachItem& item, int place, lease::BootMs now) {
  const std::string field = "items[" + std::to_string(place) + "]";
  if (auto refusal = RefuseRenew(item.pool(), now)) return *refusal;
  Status error;
  const NamedPool* const pool = FindPool(service_.pools(), field + ".pool", item.pool(), error);
  if (pool == nullptr) return error;
  const lease::GrantRef ref = {item.grant().handle(), item.grant().fence(), item.grant().key()};
  const lease::Verdict verdict = pool->leases->Check(ref, now);
  if (verdict.outcome != lease::Outcome::kOk) {
    return FromVerdict(verdict, {.pool = pool->spec.name,
                                 .field = field + ".grant.handle",
                                 .handle = ref.handle,
                                 .capacity = pool->capacity(),
                                 .now = now});
  }
  const std::string& name = pool->spec.name;
  if (session_->grants.Has(name, ref.handle, ref.fence)) return {};
  if (!RoomFor(1)) return TooManySessionGrants();
  session_->grants.Add(name, ref, 0, verdict.deadline, now);
  return {};
}

// What a session has, its heartbeats renew.
std::optional<Status> SessionStream::RefuseRenew(std::string_view pool, lease::BootMs now) {
  CallInfo info{.worker = worker_, .now = now, .peer = peer_};
  return service_.gate().Enter(info, {.method = Method::kRenew, .pool = pool});
}

void SessionStream::BeginWalk(const Operation& operation) {
  Walk walk{.kind = operation.operation_case(),
            .end = session_->grants.size(),
            .ttl_ms = {},
            .answer = {}};
  walk.answer.set_id(operation.id());
  if (operation.has_heartbeat() && operation.heartbeat().has_ttl()) {
    Violations bad;
    walk.ttl_ms = WithinMs("ttl", operation.heartbeat().ttl(), 1, lease::kMaxTtlMs, bad);
    if (!bad.empty()) {
      Refuse(operation.id(), bad.ToError());
      return;
    }
  }
  walk_.emplace(std::move(walk));
}

std::size_t SessionStream::StepWalk(lease::BootMs now) {
  constexpr std::size_t kRunLength = 256;
  lease::SessionGrants& grants = session_->grants;
  const std::size_t before = walk_->end;
  if (before == 0) {
    EndWalk();
    return 1;
  }
  if (walk_->kind != Operation::kHeartbeat) {
    walk_->done += ReturnRun(Step(now), grants, walk_->end, kRunLength, lease::Disposition::kClean);
    return before - walk_->end;
  }
  v1::HeartbeatResponse& reply = *walk_->answer.mutable_heartbeat();
  const auto lose = [&](const GrantNews& news) {
    if (reply.lost_size() >= kMaxLost) {
      Notice(news);
      return;
    }
    v1::LostGrant& lost = *reply.add_lost();
    lost.set_pool(news.pool);
    lost.mutable_grant()->set_handle(news.ref.handle);
    lost.mutable_grant()->set_fence(news.ref.fence);
    *lost.mutable_reason() = news.reason;
  };
  if (const auto refusal = RefuseRenew(grants.PoolOf(grants.at(before - 1)), now)) {
    LoseRun(Step(now), grants, walk_->end, kRunLength, *refusal, lose);
  } else {
    walk_->done += RenewRun(Step(now), grants, walk_->end, kRunLength, walk_->ttl_ms, lose);
  }
  return before - walk_->end;
}

void SessionStream::EndWalk() {
  Walk walk = *std::exchange(walk_, std::nullopt);
  switch (walk.kind) {
    case Operation::kHeartbeat:
      walk.answer.mutable_heartbeat()->set_renewed(walk.done);
      break;
    case Operation::kRelease:
      walk.answer.mutable_release()->set_returned(walk.done);
      break;
    default:
      walk.answer.mutable_goodbye()->set_returned(walk.done);
      break;
  }
  const bool goodbye = walk.kind == Operation::kGoodbye;
  v1::SessionAnswer& answer = NewAnswer(walk.answer.id());
  answer = walk.answer;
  Tell(answer, {});
  if (!goodbye) return;
  service_.End(worker_, *std::exchange(session_, nullptr));
  Close({}, false);
}

v1::SessionAnswer& SessionStream::NewAnswer(uint64_t id) {
  auto& answer = answers_.New<v1::SessionAnswer>();
  answer.set_id(id);
  return answer;
}

void SessionStream::Tell(v1::SessionAnswer& answer, const Status& error) {
  if (error.code() != 0) *answer.mutable_error() = error;
  AppendPart(v1::SessionResponse::kAnswersFieldNumber, answer, collected_);
}

}  // namespace objpool::server
