#include "server/service/gate.h"

#include <functional>
#include <utility>

#include "server/service/errors.h"
#include "server/service/identity.h"
#include "server/service/typed_handler.h"

namespace objpool::server {
namespace {

using google::rpc::Status;
using settings::Group;
using settings::Method;
using settings::Rule;

// As PoolSet finds pools.
std::string_view BareName(std::string_view pool) {
  constexpr std::string_view kPrefix = "pools/";
  if (pool.starts_with(kPrefix)) pool.remove_prefix(kPrefix.size());
  return pool;
}

// A client of this host, by what its connection tells.
bool IsLocal(std::string_view identity) {
  if (identity == "unix" || identity.starts_with("uid:")) return true;
  std::string why;
  const auto address = settings::AddressRange::Parse(identity, why);
  return address && address->loopback();
}

}  // namespace

Gate::Gate(uint32_t workers, AdminAccess admin, AuditLog* audit)
    : admin_(admin), audit_(audit), desks_(workers) {}

void Gate::Use(std::shared_ptr<const settings::Policy> policy) {
  const std::scoped_lock lock(lock_);
  policy_ = std::move(policy);
  epoch_.fetch_add(1, std::memory_order_release);  // R1 -> A1
}

bool Gate::Guards(Desk& desk, Method method) {
  if (epoch_.load(std::memory_order_acquire) != desk.epoch) [[unlikely]] {  // A1 <- R1
    const std::scoped_lock lock(lock_);
    desk.epoch = epoch_.load(std::memory_order_relaxed);
    desk.policy = policy_;
    if (desk.policy != nullptr) desk.seen.resize(kSeen);
    for (Seen& seen : desk.seen) seen.used = false;
  }
  return desk.policy != nullptr || GroupOf(method) == Group::kAdmin;
}

const Rule* Gate::FindRule(Desk& desk, std::string_view identity, Method method,
                           std::string_view pool) {
  if (identity.size() > kMaxSeenBytes || pool.size() > settings::Policy::kMaxPoolBytes) {
    return desk.policy->Decide(identity, method, pool);
  }
  constexpr std::size_t kSpread = 0x9e3779b97f4a7c15;
  const std::hash<std::string_view> hash;
  const std::size_t mixed =
      (((hash(identity) * kSpread) ^ hash(pool)) * kSpread) + static_cast<std::size_t>(method);
  Seen& seen = desk.seen[mixed % kSeen];
  if (!seen.used || seen.method != method || seen.identity != identity || seen.pool != pool) {
    seen.rule = desk.policy->Decide(identity, method, pool);
    seen.method = method;
    seen.identity.assign(identity);
    seen.pool.assign(pool);
    seen.used = true;
  }
  return seen.rule;
}

bool Gate::Decide(Desk& desk, std::string_view identity, const Ask& ask, const Rule*& rule) const {
  const bool admin = GroupOf(ask.method) == Group::kAdmin;
  if (admin && admin_ == AdminAccess::kOff) return false;
  if (desk.policy == nullptr) {
    return !admin || admin_ == AdminAccess::kAll || IsLocal(identity);
  }
  rule = FindRule(desk, identity, ask.method, BareName(ask.pool));
  return rule != nullptr;
}

std::optional<Status> Gate::Enter(CallInfo& info, const Ask& ask) {
  Desk& desk = desks_[info.worker];
  if (!Guards(desk, ask.method)) return std::nullopt;
  const std::string identity = IdentityOf(info);
  const Rule* rule = nullptr;
  if (Decide(desk, identity, ask, rule)) {
    if (rule != nullptr && rule->quota) {
      info.quota = {.handles = rule->quota->handles, .calls_per_s = rule->quota->calls_per_s};
    }
    return std::nullopt;
  }
  const Group group = GroupOf(ask.method);
  desk.denied[static_cast<std::size_t>(group)].Add();
  const bool by_policy =
      desk.policy != nullptr && (group != Group::kAdmin || admin_ != AdminAccess::kOff);
  const char* const reason = by_policy ? "POLICY_DENIED" : "ADMIN_DENIED";
  if (audit_ != nullptr) {
    audit_->Add(info.worker, {.kind = "denied",
                              .identity = identity,
                              .method = NameOf(ask.method),
                              .pool = BareName(ask.pool),
                              .handle = ask.handle,
                              .fence = ask.fence,
                              .result = "PERMISSION_DENIED",
                              .reason = reason});
  }
  return Denied(reason, identity, NameOf(ask.method), BareName(ask.pool));
}

bool Gate::Allows(const CallInfo& info, const Ask& ask) {
  Desk& desk = desks_[info.worker];
  const Rule* rule = nullptr;
  return !Guards(desk, ask.method) || Decide(desk, IdentityOf(info), ask, rule);
}

void Gate::Note(const CallInfo& info, const Ask& ask, const Status& result) {
  if (audit_ == nullptr || GroupOf(ask.method) != Group::kAdmin) return;
  audit_->Add(info.worker, {.kind = "admin",
                            .identity = IdentityOf(info),
                            .method = NameOf(ask.method),
                            .pool = BareName(ask.pool),
                            .handle = ask.handle,
                            .fence = ask.fence,
                            .result = rpc::kCodeNames[static_cast<std::size_t>(result.code())],
                            .reason = ReasonOf(result)});
}

uint64_t Gate::denied(Group group) const {
  uint64_t sum = 0;
  for (const Desk& desk : desks_) sum += desk.denied[static_cast<std::size_t>(group)].value();
  return sum;
}

namespace {

// A stream that was refused. It says so with the first event: a call has to have a handler first.
class RefusedStream final : public rpc::StreamHandler {
 public:
  RefusedStream(rpc::StreamCall& call, const Status& error)
      : call_(call), status_(ToCallStatus(error)) {}
  void OnMessage(std::string_view /*message*/) override { Finish(); }
  void OnHalfClose() override { Finish(); }
  void OnTick() override { Finish(); }
  void OnShutdown() override { Finish(); }
  void OnGone() override { finished_ = true; }

 private:
  void Finish() {
    if (!std::exchange(finished_, true)) call_.Finish(status_);
  }

  rpc::StreamCall& call_;
  const rpc::Status status_;
  bool finished_ = false;
};

// Hands everything on, for as long as the client may.
class WatchedStream final : public rpc::StreamHandler {
 public:
  WatchedStream(const Door& door, rpc::StreamCall& call, std::unique_ptr<rpc::StreamHandler> inner)
      : door_(door), call_(call), peer_(call.peer()), inner_(std::move(inner)) {}
  void OnMessage(std::string_view message) override { inner_->OnMessage(message); }
  [[nodiscard]] bool WantsMessage() const override { return inner_->WantsMessage(); }
  void OnHalfClose() override { inner_->OnHalfClose(); }
  void OnSent() override { inner_->OnSent(); }
  void OnGone() override { inner_->OnGone(); }
  void OnShutdown() override { inner_->OnShutdown(); }
  void OnTick() override {
    CallInfo info{.worker = call_.worker(), .now = {}, .peer = peer_};
    if (const auto refusal = door_.gate.Enter(info, {.method = door_.method})) {
      call_.Finish(ToCallStatus(*refusal));
      inner_->OnGone();
    } else {
      inner_->OnTick();
    }
  }

 private:
  const Door door_;
  rpc::StreamCall& call_;
  const std::string peer_;
  const std::unique_ptr<rpc::StreamHandler> inner_;
};

}  // namespace

rpc::StreamFactory GuardedStream(const Door& door, rpc::StreamFactory make) {
  return
      [door, make = std::move(make)](rpc::StreamCall& call) -> std::unique_ptr<rpc::StreamHandler> {
        const std::string peer = call.peer();
        CallInfo info{.worker = call.worker(), .now = {}, .peer = peer};
        if (const auto refusal = door.gate.Enter(info, {.method = door.method})) {
          return std::make_unique<RefusedStream>(call, *refusal);
        }
        return std::make_unique<WatchedStream>(door, call, make(call));
      };
}

}  // namespace objpool::server
