// World: how a server does what is wanted, on a worker's fiber; as server/service does it.
#include <algorithm>
#include <array>
#include <utility>

#include "tests/sim/world.h"

namespace objpool::sim {

using lease::GrantRef;
using Found = lease::RequestMemory::Found;

namespace {

constexpr lease::Secret kRequestSecret = {1, 2, 3};
constexpr std::size_t kMostGrants = 64;
constexpr std::size_t kMostMoments = 12;

lease::RequestHash Hash(const Operation& op) {
  const std::string content = std::to_string(op.pool) + "/" + std::to_string(op.count) + "/" +
                              std::to_string(op.min_count) + "/" + std::to_string(op.ttl_ms) + "/" +
                              std::to_string(op.of_classes);
  return lease::HashRequest(kRequestSecret, "r" + std::to_string(op.request->number), content);
}

}  // namespace

// The clock is read once for each.
void World::Work(uint32_t worker) {
  for (Operation& op : plans_[worker]) {
    op.worker = worker;
    op.began_us = now_us_;
    op.now = lease_now();
    if (op.kind == Kind::kEndSession) EndSession(op);
    ++counts_.operations;
    checker_.Begin(op);
    if (options_.trace) Trace("  " + Describe(op));
    Do(op);
    checker_.End(op);
    if (op.of_session != 0) SessionReturned(op);
    if (options_.trace) Trace("    worker " + std::to_string(worker) + ": " + Outcome(op));
  }
}

void World::Do(Operation& op) {
  lease::LeasePool& pool = leases(op.pool);
  const auto handle = static_cast<Handle>(op.handle);
  switch (op.kind) {
    case Kind::kLease:
      return Lease(op);
    case Kind::kReturn:
      op.verdicts.resize(op.refs.size());
      pool.Return(op.worker, op.refs, op.now, op.verdicts, op.dispositions);
      return Acknowledge(op, {});
    case Kind::kRenew:
      op.verdicts.resize(op.refs.size());
      pool.Renew(op.worker, op.refs, op.ttl_ms, op.now, op.verdicts);
      moments_.push_back(op.now + op.ttl_ms + 1);
      return Acknowledge(op, {});
    case Kind::kRevoke:
      op.verdicts = {pool.Revoke(op.worker, op.handle, op.fence, op.now)};
      return;
    case Kind::kQuarantine:
      op.quarantined = pool.Quarantine(op.worker, handle);
      return;
    case Kind::kReinstate:
      op.reinstated = pool.Reinstate(op.worker, handle, op.now);
      return;
    case Kind::kDrain:
      pool.SetDraining(true);
      checker_.SetDraining(op.pool, true);
      return;
    case Kind::kResume:
      return Resume(op);
    case Kind::kStopWaiting:
      return StopWaiting(op);
    case Kind::kCheck:
      op.verdicts = {pool.Check(handle, op.fence, op.now)};
      return;
    case Kind::kList:
      (void)pool.List({0, pools_[op.pool].capacity}, {}, op.now, pools_[op.pool].capacity,
                      op.listed);
      return;
    case Kind::kSweep:
      (void)pool.Sweep(op.worker, op.now);
      return;
    case Kind::kDeliver:
      return Deliver(op);
    case Kind::kLoseStream:
      return LoseStream(op);
    case Kind::kEndSession:
      return;  // none had
  }
}

// What the classes that are wanted are to the pool.
lease::ClassMask World::Select(const Operation& op) const {
  lease::SelectorTerm term{.key = "class", .rule = lease::SelectorTerm::Rule::kIn, .values = {}};
  for (uint32_t c = 0; c < pools_[op.pool].classes; ++c) {
    if ((op.of_classes >> c & 1) != 0) term.values.push_back(std::to_string(c));
  }
  return server_->pools[op.pool].leases->classes().Match(std::array{std::move(term)});
}

void World::Lease(Operation& op) {
  lease::LeasePool& pool = leases(op.pool);
  // The service refuses these at its door; others show that the pool does too.
  if (op.in_grace && (op.waits || op.request)) return;
  if (op.request && LeaseAgain(op)) return;
  op.out.resize(op.count);
  const uint32_t count = pool.Lease(op.worker,
                                    {.min_count = op.min_count,
                                     .ttl_ms = op.ttl_ms,
                                     .holder = op.holder,
                                     .dirty = op.dirty,
                                     .classes = Select(op)},
                                    op.now, op.out);
  op.out.resize(count);
  checker_.Answered(op);
  if (count != 0) {
    counts_.grants += count;
    moments_.push_back(op.now + op.ttl_ms + 1);
    if (op.request) Remember(*op.request, op.out, op.now + op.ttl_ms + 1);
    AddGrants(op.pool, op.out);
    if (op.in_session) AddToSession(op);
    return Acknowledge(op, op.out);
  }
  if (op.waits) {
    Wait(op);
  } else if (op.request) {
    Forget(*op.request);
  }
}

// Whether the request was asked before, and is answered.
bool World::LeaseAgain(Operation& op) {
  op.request->hash = Hash(op);
  lease::RequestMemory::Answered answered;
  std::vector<GrantRef>& grants = op.out;
  const Found found = server_->requests.Begin(op.request->hash, op.now, answered);
  grants = answered.grants;
  const auto known = requests_.find(op.request->number);
  Found right = Found::kNew;
  if (known != requests_.end()) {
    const RequestModel& model = known->second;
    const bool same = model.content == op.request->hash.content;
    if (model.pending || op.now < model.keep_until) {
      right = !same ? Found::kOther : model.pending ? Found::kPending : Found::kAnswered;
    }
    // Somebody whose clock is a little ahead may have seen to it that it is forgotten.
    const bool over = !model.pending && lease_now() >= model.keep_until;
    if (found == Found::kNew && over) right = Found::kNew;
    if (found == Found::kAnswered &&
        !std::ranges::equal(grants, model.grants, {}, &GrantRef::key, &GrantRef::key)) {
      checker_.Fail("a request that is repeated gets other grants");
    }
  }
  if (found != right) checker_.Fail("a request is taken for another than it is");
  if (found != Found::kNew) {
    grants.clear();
    return true;
  }
  requests_[op.request->number] = {.content = op.request->hash.content, .pending = true};
  return false;
}

void World::Remember(const Request& request, std::span<const GrantRef> refs,
                     lease::BootMs keep_until) {
  server_->requests.Answer(request.hash, refs, keep_until);
  RequestModel& model = requests_[request.number];
  model.pending = false;
  model.keep_until = keep_until;
  model.grants.assign(refs.begin(), refs.end());
}

void World::Forget(const Request& request) {
  server_->requests.Forget(request.hash);
  requests_.erase(request.number);
}

void World::Wait(Operation& op) {
  Waiting& waiting = *waitings_.emplace_back(std::make_unique<Waiting>());
  waiting.count = op.count;
  waiting.min_count = op.min_count;
  waiting.ttl_ms = op.ttl_ms;
  waiting.holder = op.holder;
  waiting.dirty = op.dirty;
  waiting.of_classes = op.of_classes;
  waiting.classes = Select(op);
  waiting.priority = op.priority;
  waiting.number = next_waiting_++;
  waiting.pool = op.pool;
  waiting.request = op.request;
  ++counts_.waits;
  checker_.BeginWait(waiting);
  checker_.EndWait(waiting, leases(op.pool).Wait(op.worker, waiting, op.now));
}

void World::StopWaiting(Operation& op) {
  const auto found = std::ranges::find_if(
      waitings_, [&](const auto& each) { return each->number == op.fence && each->queued; });
  if (found == waitings_.end()) return;
  Waiting& waiting = **found;
  if (waiting.stopping) return;
  waiting.stopping = true;
  const bool taken_out = leases(op.pool).StopWaiting(op.worker, waiting, op.now);
  checker_.Stopped(waiting, taken_out);
  if (!taken_out) return;  // its answer is in the inbox
  if (waiting.request) Forget(*waiting.request);
  std::erase_if(waitings_, [&](const auto& each) { return each.get() == &waiting; });
}

void World::Deliver(Operation& op) {
  // Not before Wait is over, which may still look at it.
  const auto of_pool = [&](const Waiting* each) {
    return each->pool == op.pool && each->settled != 0;
  };
  for (;;) {
    const auto mail = std::ranges::find_if(inbox_, of_pool);
    if (mail == inbox_.end()) return;
    Waiting& waiting = **mail;
    inbox_.erase(mail);
    counts_.grants += waiting.grants.size();
    moments_.push_back(waiting.served_at + waiting.ttl_ms + 1);
    if (waiting.request) {
      Remember(*waiting.request, waiting.grants, waiting.served_at + waiting.ttl_ms + 1);
    }
    AddGrants(op.pool, waiting.grants);
    Acknowledge(op, waiting.grants);
    if (waiting.stopping) continue;  // who wanted to stop it still looks at it
    std::erase_if(waitings_, [&](const auto& each) { return each.get() == &waiting; });
  }
}

void World::Resume(Operation& op) {
  leases(op.pool).SetDraining(false);
  checker_.SetDraining(op.pool, false);
  leases(op.pool).ServeWaiting(op.worker, op.now);
}

void World::AddGrants(uint32_t pool, std::span<const GrantRef> refs) {
  std::vector<GrantRef>& known = grants_[pool];
  for (const GrantRef& ref : refs.first(std::min(refs.size(), kMostGrants / 2))) {
    known.push_back(ref);
  }
  if (known.size() > kMostGrants) known.erase(known.begin(), known.end() - kMostGrants);
  while (moments_.size() > kMostMoments) moments_.pop_front();
}

// Where answers are to be durable, none goes out before the device has what it is of.
void World::Acknowledge(Operation& op, std::span<const GrantRef> refs) {
  if (!acks_are_durable_) return;
  std::string why;
  op.durable = server_->pools[op.pool].file->Sync(why);
  if (op.durable) checker_.Told(op.pool, refs);
}

std::string World::Describe(const Operation& op) const {
  std::string text = "worker " + std::to_string(op.worker) + " at " + std::to_string(op.now) +
                     ": " + kKindNames[static_cast<std::size_t>(op.kind)] + " in " +
                     pools_[op.pool].name;
  if (op.kind == Kind::kLease) {
    text += ", " + std::to_string(op.min_count) + " to " + std::to_string(op.count) +
            (op.dirty ? " dirty" : "") + " of classes " + std::to_string(op.of_classes) + " for " +
            std::to_string(op.ttl_ms) + " ms" +
            (op.waits ? ", or waits with priority " + std::to_string(op.priority) : "");
    if (op.request) text += ", request " + std::to_string(op.request->number);
  }
  if (op.kind == Kind::kRenew) text += " for " + std::to_string(op.ttl_ms) + " ms";
  const auto one = [&](uint64_t handle, uint64_t fence) {
    text += ", handle " + std::to_string(handle);
    if (fence != 0) {
      text += " fence " + std::to_string(fence >> 32) + "." + std::to_string(fence & UINT32_MAX);
    }
    if (handle < pools_[op.pool].capacity) {
      text += " (" + checker_.Describe(op.pool, static_cast<Handle>(handle)) + ")";
    }
  };
  for (const GrantRef& ref : op.refs) one(ref.handle, ref.fence);
  if (op.kind == Kind::kRevoke || op.kind == Kind::kCheck || op.kind == Kind::kQuarantine ||
      op.kind == Kind::kReinstate) {
    one(op.handle, op.fence);
  }
  return text;
}

std::string World::Outcome(const Operation& op) const {
  std::string text = kKindNames[static_cast<std::size_t>(op.kind)];
  for (const lease::Verdict& verdict : op.verdicts) {
    text += " " + std::to_string(static_cast<int>(verdict.outcome));
  }
  for (const GrantRef& ref : op.out) {
    text += " " + std::to_string(ref.handle) + ":" + std::to_string(ref.fence >> 32) + "." +
            std::to_string(ref.fence & UINT32_MAX);
  }
  if (op.kind == Kind::kLease && op.out.empty()) text += " nothing";
  return text;
}

}  // namespace objpool::sim
