// Checker: whether an answer was right at some moment of its operation.
#include <algorithm>
#include <utility>

#include "tests/sim/checker.h"

namespace objpool::sim {

using lease::Ending;
using lease::HandleView;
using lease::Outcome;
using lease::Place;

namespace {

uint32_t Bit(Outcome outcome) { return 1u << static_cast<uint32_t>(outcome); }

// Handles that an operation may have in its hands, neither free nor leased.
uint64_t HandsOf(const Operation& op) {
  constexpr uint64_t kMany = 1u << 24;
  switch (op.kind) {
    case Kind::kLease:
      return op.count;
    case Kind::kReturn:
    case Kind::kRenew:
      return op.refs.size();
    case Kind::kSweep:
      return kMany;
    default:
      return 1;
  }
}

// Whether it may want what the other one does.
bool WaitsFor(const Waiting& waiting, bool dirty, uint64_t classes) {
  return waiting.dirty == dirty && (waiting.of_classes & classes) != 0;
}

// The classes of what was given.
uint64_t ClassesOf(const PoolOptions& pool, std::span<const lease::GrantRef> refs) {
  uint64_t classes = 0;
  for (const lease::GrantRef& ref : refs) classes |= uint64_t{1} << pool.ClassOf(ref.handle);
  return classes;
}

}  // namespace

// A fence may have risen for a grant that was then not made.
void Checker::NoteFences(PoolModel& pool) {
  const Fibers::Quiet quiet(fibers_);
  for (Handle handle = 0; handle < pool.handles.size(); ++handle) {
    HandleView& view = pool.handles[handle].view;
    if (!view.leased) view.fence = std::max(view.fence, pool.leases->See(handle).fence);
  }
}

void Checker::Begin(Operation& op) {
  PoolModel& pool = pools_[op.pool];
  NoteFences(pool);
  op.serial = ++serial_;
  op.running = true;
  op.right.assign(std::max<std::size_t>(op.refs.size(), 1), 0);
  for (Operation* const other : running_) {
    if (other == nullptr || !other->running || other->pool != op.pool) continue;
    op.alone = other->alone = false;
    op.slack += HandsOf(*other);
    other->slack += HandsOf(op);
  }
  running_[op.worker] = &op;
  op.in_grace = pool.leases->GraceLeftMs(op.now) != 0;
  op.was_draining = op.saw_drain = pool.draining;
  op.others_waited = std::ranges::any_of(pool.waiting, [&](const Waiting* waiting) {
    return WaitsFor(*waiting, op.dirty, op.of_classes);
  });
  op.fewest = op.had = pool.Available(op.dirty, op.of_classes);
  if (op.handle < pool.handles.size()) {
    HandleModel& model = pool.handles[op.handle];
    op.found = model.view;
    if (op.kind == Kind::kQuarantine) model.condemned = true;
    if (op.kind == Kind::kReinstate) {
      model.surely_condemned = false;
      model.reinstated = op.serial;
    }
  }
  NoteOne(op);
}

void Checker::NoteState(uint32_t pool) {
  for (Operation* const op : running_) {
    if (op != nullptr && op->running && op->pool == pool) NoteOne(*op);
  }
}

void Checker::NoteOne(Operation& op) {
  op.fewest = std::min(op.fewest, pools_[op.pool].Available(op.dirty, op.of_classes));
  for (std::size_t i = 0; i < op.right.size(); ++i) op.right[i] |= RightNow(op, i);
}

uint32_t Checker::RightNow(const Operation& op, std::size_t item) const {
  const PoolModel& pool = pools_[op.pool];
  const bool keyed = op.kind == Kind::kReturn || op.kind == Kind::kRenew;
  if (keyed && op.refs.empty()) return 0;
  const uint64_t handle = keyed ? op.refs[item].handle : op.handle;
  const uint64_t fence = keyed ? op.refs[item].fence : op.fence;
  if (handle >= pool.handles.size()) return Bit(Outcome::kBadHandle);
  const HandleModel& model = pool.handles[handle];
  if (keyed) {
    const auto known = model.known.find(fence);
    if (known == model.known.end() || known->second.key != op.refs[item].key) {
      return Bit(Outcome::kNotHolder);
    }
  }
  if (fence < model.view.fence) return Bit(Outcome::kStaleFence);
  if (fence > model.view.fence || fence != model.granted_fence) return Bit(Outcome::kNotHolder);
  if (model.view.leased) {
    return Bit(model.view.time <= op.now ? Outcome::kExpired : Outcome::kOk);
  }
  const uint32_t never = Bit(Outcome::kNotHolder);
  const uint32_t or_never = model.unsure ? never : 0;
  switch (model.view.ending) {
    case Ending::kNone:
      return never;
    case Ending::kReturned:
      return or_never |
             Bit(op.kind == Kind::kReturn ? Outcome::kAlreadyReturned : Outcome::kReturned);
    case Ending::kExpired:
      return or_never | Bit(Outcome::kExpired);
    case Ending::kRevoked:
      return or_never | Bit(Outcome::kRevoked);
  }
  return 0;
}

void Checker::CheckVerdicts(const Operation& op) {
  const PoolModel& pool = pools_[op.pool];
  uint32_t done = 0;
  for (std::size_t i = 0; i < op.verdicts.size(); ++i) {
    const Outcome outcome = op.verdicts[i].outcome;
    if (outcome == Outcome::kOk) ++done;
    // The next fence is written before its grant is made; who guesses, or was forgotten, may be
    // told of it.
    const uint32_t over = Bit(Outcome::kAlreadyReturned) | Bit(Outcome::kReturned) |
                          Bit(Outcome::kExpired) | Bit(Outcome::kRevoked) |
                          Bit(Outcome::kNotHolder);
    const bool ahead = outcome == Outcome::kStaleFence && !op.alone && (op.right[i] & over) != 0;
    if (ahead || (op.right[i] & Bit(outcome)) != 0) continue;
    const uint64_t handle = op.refs.empty() ? op.handle : op.refs[i].handle;
    const std::string what = "its holder is told outcome " +
                             std::to_string(static_cast<int>(outcome)) +
                             ", and right were, as bits, " + std::to_string(op.right[i]);
    Expect(false, pool, static_cast<Handle>(std::min(handle, pool.handles.size() - 1)),
           what.c_str());
  }
  if (op.kind == Kind::kCheck) return;
  const uint32_t did = op.kind == Kind::kRenew ? op.renewed : op.ended;
  if (done != did) {
    Fail(pool.options.name + ": " + std::to_string(done) + " were told that it was done, and " +
         std::to_string(did) + " were");
  }
}

// Grants that somebody is told of now.
void Checker::TakeMade(Operation& op, std::span<const lease::GrantRef> refs, uint64_t ttl_ms,
                       const std::string& holder) {
  PoolModel& pool = pools_[op.pool];
  for (const lease::GrantRef& ref : refs) {
    const auto made = std::ranges::find_if(op.made, [&](const Operation::Made& each) {
      return each.handle == ref.handle && each.fence == ref.fence;
    });
    if (made == op.made.end()) {
      Fail(pool.options.name + ": a grant is told of that was not made, of handle " +
           std::to_string(ref.handle));
      return;
    }
    const auto handle = static_cast<Handle>(ref.handle);
    HandleModel& model = pool.handles[handle];
    Expect(made->deadline == op.now + ttl_ms + 1, pool, handle, "it is leased for another time");
    model.known[ref.fence] = {ref.key, holder};
    const TrueUs promised_us = op.began_us + (ttl_ms * 1000);
    for (Past& past : model.past) {
      if (past.fence == ref.fence && past.deadline == made->deadline) {
        past.promised_us = promised_us;
      }
    }
    if (model.view.leased && model.view.fence == ref.fence) model.promised_us = promised_us;
    op.made.erase(made);
  }
}

void Checker::CheckEmpty(const PoolModel& pool, const Operation& op) {
  if (op.in_grace || op.saw_drain || op.others_waited) return;
  if (op.fewest < op.min_count + op.slack) return;
  Fail(pool.options.name + ": there was nothing for who wanted " + std::to_string(op.min_count) +
       (op.dirty ? " dirty" : "") + ", and never fewer than " + std::to_string(op.fewest));
}

void Checker::Answered(Operation& op) {
  const PoolModel& pool = pools_[op.pool];
  if (op.out.empty()) {
    CheckEmpty(pool, op);
    return;
  }
  CheckClasses(pool, op.out, op.of_classes);
  const uint64_t given = ClassesOf(pool.options, op.out);
  const auto overtaken = std::ranges::find_if(pool.waiting, [&](const Waiting* waiting) {
    return WaitsFor(*waiting, op.dirty, given) && !waiting->stopping && waiting->settled != 0 &&
           waiting->settled < op.serial;
  });
  const bool too_few = op.out.size() < op.min_count || op.out.size() > op.count;
  // One that is quarantined may be in the pool's hands, and be met in the place of a free one.
  const bool some_are_out = std::ranges::any_of(pool.handles, [](const HandleModel& model) {
    return !model.view.leased && model.view.place == Place::kQuarantined;
  });
  const bool fewer = op.alone && !some_are_out && !op.others_waited &&
                     op.out.size() != std::min<uint64_t>(op.count, op.had);
  TakeMade(op, op.out, op.ttl_ms, op.holder);
  if (failed()) return;
  if (op.in_grace) Fail(pool.options.name + ": leased in the grace");
  if (overtaken != pool.waiting.end()) {
    Fail(pool.options.name + ": worker " + std::to_string(op.worker) + " has overtaken waiter " +
         std::to_string((*overtaken)->number));
  }
  if (too_few || fewer) {
    Fail(pool.options.name + ": leased " + std::to_string(op.out.size()) + " to who wanted " +
         std::to_string(op.min_count) + " to " + std::to_string(op.count) + ", of " +
         std::to_string(op.had));
  }
}

void Checker::CheckListed(const Operation& op) {
  const PoolModel& pool = pools_[op.pool];
  std::size_t next = 0;
  for (Handle handle = 0; op.alone && handle < pool.handles.size(); ++handle) {
    const HandleModel& model = pool.handles[handle];
    if (!model.view.leased || model.view.time <= op.now) continue;
    const bool found = next < op.listed.size() && op.listed[next].handle == handle;
    Expect(found, pool, handle, "it is leased and not listed");
    if (!found) return;
    const lease::GrantView& grant = op.listed[next++].grant;
    const auto known = model.known.find(grant.fence);
    Expect(grant.fence == model.view.fence && grant.deadline == model.view.time &&
               (known == model.known.end() || grant.holder == known->second.holder),
           pool, handle, "it is listed as another's");
  }
  if (op.alone && next != op.listed.size()) {
    Fail(pool.options.name + ": a grant is listed that does not run");
  }
}

void Checker::CheckQuarantine(const Operation& op) {
  PoolModel& pool = pools_[op.pool];
  const auto handle = static_cast<Handle>(op.handle);
  HandleModel& model = pool.handles[handle];
  const bool out = !model.view.leased && model.view.place == Place::kQuarantined;
  if (op.kind == Kind::kQuarantine) {
    const bool now = op.quarantined == lease::LeasePool::Quarantined::kNow;
    Expect(!op.alone || now == out, pool, handle, "whether it is out was told wrong");
    if (op.alone && now) model.condemned = false;
    const bool reinstating = std::ranges::any_of(running_, [&](const Operation* other) {
      return other != nullptr && other->kind == Kind::kReinstate && other->pool == op.pool &&
             other->handle == op.handle;
    });
    model.surely_condemned = !now && !out && !reinstating && model.reinstated < op.serial;
    return;
  }
  model.reinstated = ++serial_;
  const bool was_out = !op.found.leased && op.found.place == Place::kQuarantined;
  Expect(!op.alone || !was_out || op.reinstated, pool, handle, "it is not reinstated");
  Expect(!op.alone || was_out || model.condemned || !op.reinstated, pool, handle,
         "it is reinstated and was not out");
  if (op.alone) model.condemned = false;
}

void Checker::End(Operation& op) {
  PoolModel& pool = pools_[op.pool];
  if (op.kind == Kind::kReturn || op.kind == Kind::kRenew || op.kind == Kind::kRevoke ||
      op.kind == Kind::kCheck) {
    CheckVerdicts(op);
  }
  if (op.kind == Kind::kList) CheckListed(op);
  if (op.kind == Kind::kQuarantine || op.kind == Kind::kReinstate) CheckQuarantine(op);
  // One that was made and is to be taken back may run out before.
  std::erase_if(op.made, [&](const Operation::Made& made) {
    const HandleView& view = pool.handles[made.handle].view;
    return !view.leased || view.fence != made.fence;
  });
  if (!failed() && !op.made.empty()) {
    Fail(pool.options.name + ": nobody is told of a grant that was made, of handle " +
         std::to_string(op.made.front().handle));
  }
  for (std::size_t i = 0; op.durable && op.kind == Kind::kReturn && i < op.refs.size(); ++i) {
    if (op.verdicts[i].outcome != Outcome::kOk) continue;
    pool.handles[op.refs[i].handle].told_end = op.refs[i].fence;
  }
  op.running = false;
  running_[op.worker] = nullptr;
}

void Checker::Told(uint32_t pool, std::span<const lease::GrantRef> refs) {
  for (const lease::GrantRef& ref : refs) {
    pools_[pool].handles[ref.handle].told_fence = ref.fence;
  }
}

void Checker::SetDraining(uint32_t pool, bool draining) {
  pools_[pool].draining = draining;
  for (Operation* const op : running_) {
    if (op == nullptr || op->pool != pool) continue;
    if (draining) op->saw_drain = true;
    if (!draining) op->was_draining = false;
  }
}

void Checker::BeginWait(Waiting& waiting) {
  waiting.queued = true;
  waiting.began = ++serial_;
  pools_[waiting.pool].waiting.push_back(&waiting);
  for (Operation* const op : running_) {
    if (op != nullptr && op->pool == waiting.pool && WaitsFor(waiting, op->dirty, op->of_classes)) {
      op->others_waited = true;
    }
  }
}

void Checker::EndWait(Waiting& waiting, bool queued) {
  waiting.settled = ++serial_;
  if (queued) return;
  if (!waiting.queued) Fail("who was served is told that too many wait");
  std::erase(pools_[waiting.pool].waiting, &waiting);
  waiting.queued = false;
}

void Checker::CheckClasses(const PoolModel& pool, std::span<const lease::GrantRef> refs,
                           uint64_t wanted) {
  if ((ClassesOf(pool.options, refs) & ~wanted) == 0) return;
  Fail(pool.options.name + ": a handle is given to who wanted others");
}

// Whether nobody was before it for certain who wanted what it got.
void Checker::CheckOrder(const PoolModel& pool, const Waiting& served) {
  const uint64_t given = ClassesOf(pool.options, served.grants);
  for (const Waiting* const other : pool.waiting) {
    if (other == &served || other->stopping || other->settled == 0) continue;
    if (!WaitsFor(*other, served.dirty, given) || other->priority < served.priority) continue;
    if (other->priority == served.priority && other->settled > served.began) continue;
    Fail(pool.options.name + ": waiter " + std::to_string(served.number) + " is served before " +
         std::to_string(other->number));
  }
}

void Checker::Served(Waiting& waiting) {
  PoolModel& pool = pools_[waiting.pool];
  Operation& op = *running_[fibers_.running()];
  if (!waiting.queued) Fail(pool.options.name + ": who does not wait is served");
  CheckClasses(pool, waiting.grants, waiting.of_classes);
  CheckOrder(pool, waiting);
  std::erase(pool.waiting, &waiting);
  waiting.queued = false;
  waiting.served_us = op.began_us;
  if (waiting.grants.size() < waiting.min_count || waiting.grants.size() > waiting.count) {
    Fail(pool.options.name + ": who waits is served with too few or too many");
  }
  if (waiting.served_at != op.now) Fail(pool.options.name + ": who waits is served at no time");
  TakeMade(op, waiting.grants, waiting.ttl_ms, waiting.holder);
}

void Checker::Stopped(Waiting& waiting, bool taken_out) {
  if (taken_out != waiting.queued) {
    Fail(taken_out ? "who was served is taken out of the queue" : "who waits cannot stop to");
  }
  std::erase(pools_[waiting.pool].waiting, &waiting);
  waiting.queued = false;
}

}  // namespace objpool::sim
