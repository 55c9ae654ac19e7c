// Checker: whether a change of a record was somebody's to make.
#include "tests/sim/checker.h"

#include <algorithm>
#include <utility>

namespace objpool::sim {

using lease::Disposition;
using lease::Ending;
using lease::HandleView;
using lease::Place;

std::string Text(const HandleView& view) {
  constexpr std::array<const char*, 4> kPlaces = {"free", "dirty", "resting", "quarantined"};
  constexpr std::array<const char*, 4> kEndings = {"none", "returned", "expired", "revoked"};
  const std::string what =
      view.leased ? std::string(view.for_cleaning ? "leased for cleaning until " : "leased until ")
                  : std::string(kPlaces[static_cast<std::size_t>(view.place)]) + ", " +
                        kEndings[static_cast<std::size_t>(view.ending)] + " at ";
  return what + std::to_string(view.time) + ", fence " + std::to_string(view.fence >> 32) + "." +
         std::to_string(view.fence & UINT32_MAX);
}

std::string Checker::Describe(uint32_t pool, Handle handle) const {
  return Text(pools_[pool].handles[handle].view);
}

void Checker::AddPool(const PoolOptions& options) {
  PoolModel& pool = pools_.emplace_back();
  pool.options = options;
  pool.handles.resize(options.capacity);
}

void Checker::Fail(const std::string& what) {
  if (failed()) return;
  failure_ = what;
  if (fibers_.in_run()) fibers_.Fail(what);
}

void Checker::Expect(bool holds, const PoolModel& pool, Handle handle, const char* what) {
  if (holds || failed()) return;
  std::string by;
  if (fibers_.in_run() && running_[fibers_.running()] != nullptr) {
    const Operation& op = *running_[fibers_.running()];
    by = std::string(" (by ") + kKindNames[static_cast<std::size_t>(op.kind)] + " at " +
         std::to_string(op.now) + ")";
  }
  const HandleModel& model = pool.handles[handle];
  const HandleView found = pool.leases == nullptr ? HandleView{} : [&] {
    const Fibers::Quiet quiet(fibers_);
    return pool.leases->See(handle);
  }();
  Fail(pool.options.name + ", handle " + std::to_string(handle) + ": " + what + by + "; it was " +
       Text(model.view) + ", and is " + Text(found));
}

// A record perhaps, and then of which handle.
void Checker::Changed(const void* cell) {
  if (!fibers_.in_run() || running_[fibers_.running()] == nullptr) return;
  const auto* const at = static_cast<const std::byte*>(cell);
  for (uint32_t i = 0; i < pools_.size(); ++i) {
    PoolModel& pool = pools_[i];
    const std::size_t bytes = pool.handles.size() * sizeof(uint64_t);
    if (pool.words == nullptr || at < pool.words || at >= pool.words + bytes) continue;
    const Fibers::Quiet quiet(fibers_);
    const auto handle =
        static_cast<Handle>(static_cast<std::size_t>(at - pool.words) / sizeof(uint64_t));
    Judge(pool, handle, pool.leases->See(handle), *running_[fibers_.running()]);
    NoteState(i);
    return;
  }
}

void Checker::SetView(PoolModel& pool, HandleModel& model, const HandleView& now) {
  const auto handle = static_cast<uint64_t>(&model - pool.handles.data());
  const auto count = [&](const HandleView& view, uint64_t change) {
    if (view.leased) return;
    if (view.place == Place::kFree) pool.available[0][pool.options.ClassOf(handle)] += change;
    if (view.place == Place::kDirty) pool.available[1][pool.options.ClassOf(handle)] += change;
  };
  count(model.view, ~uint64_t{0});
  model.view = now;
  count(now, 1);
}

void Checker::Judge(PoolModel& pool, Handle handle, const HandleView& now, Operation& op) {
  HandleModel& model = pool.handles[handle];
  Expect(op.kind != Kind::kCheck && op.kind != Kind::kList && op.kind != Kind::kDrain, pool, handle,
         "it was changed by who only looks");
  if (!model.view.leased && now.leased) {
    Granted(pool, handle, now, op);
  } else if (model.view.leased && now.leased) {
    Renewed(pool, model, now, op);
  } else if (model.view.leased) {
    Ended(pool, model, handle, now, op);
  } else {
    Moved(pool, model, handle, now, op);
  }
  SetView(pool, model, now);
}

void Checker::Granted(PoolModel& pool, Handle handle, const HandleView& now, Operation& op) {
  HandleModel& model = pool.handles[handle];
  Expect(model.view.place == (now.for_cleaning ? Place::kDirty : Place::kFree), pool, handle,
         "it is leased from where it was not to be had");
  Expect(now_us_ >= model.held_until_us, pool, handle,
         "it is leased while somebody may hold it since before the power cut");
  Expect(now.fence > model.highest_fence, pool, handle, "its fence does not rise");
  Expect(!op.was_draining, pool, handle, "it is leased while the pool drains");
  Expect(op.kind != Kind::kQuarantine, pool, handle, "it is leased by who takes it out");
  model.held_until_us = 0;
  model.unsure = false;
  model.highest_fence = now.fence;
  model.granted_fence = now.fence;
  // What was wished for is looked at when it is answered.
  model.promised_us = op.began_us + ((now.time - std::min(now.time, op.now + 1)) * 1000);
  model.past.push_back({now.fence, now.time, model.promised_us});
  op.made.push_back({handle, now.fence, now.time});
  ++pool.granted;
}

void Checker::Renewed(PoolModel& pool, HandleModel& model, const HandleView& now, Operation& op) {
  const auto handle = static_cast<Handle>(&model - pool.handles.data());
  Expect(now.fence == model.view.fence && now.for_cleaning == model.view.for_cleaning, pool, handle,
         "it is leased while a grant runs");
  const bool asked = std::ranges::any_of(op.refs, [&](const lease::GrantRef& ref) {
    const auto known = model.known.find(ref.fence);
    return ref.handle == handle && ref.fence == now.fence && known != model.known.end() &&
           known->second.key == ref.key;
  });
  Expect(op.kind == Kind::kRenew && asked, pool, handle, "it is renewed for nobody");
  Expect(model.view.time > op.now, pool, handle, "it is renewed after its deadline");
  Expect(now.time == op.now + op.ttl_ms + 1, pool, handle, "it is renewed for another time");
  if (now.fence == model.held_fence) model.held_until_us = 0;
  model.promised_us = op.began_us + (op.ttl_ms * 1000);
  model.past.push_back({now.fence, now.time, model.promised_us});
  ++op.renewed;
  ++pool.renewed;
}

// A Lease that gives back what it got in the same breath: nobody has seen it.
bool Checker::Undoes(PoolModel& pool, Handle handle, uint64_t fence, Operation& op) {
  const auto made = std::ranges::find_if(op.made, [&](const Operation::Made& each) {
    return each.handle == handle && each.fence == fence;
  });
  if (made == op.made.end()) return false;
  op.made.erase(made);
  --pool.granted;
  return true;
}

std::optional<Disposition> Checker::ReturnedAs(const HandleModel& model, Handle handle,
                                               uint64_t fence, const Operation& op) const {
  if (op.kind != Kind::kReturn) return std::nullopt;
  const auto known = model.known.find(fence);
  for (std::size_t i = 0; known != model.known.end() && i < op.refs.size(); ++i) {
    const lease::GrantRef& ref = op.refs[i];
    if (ref.handle == handle && ref.fence == fence && ref.key == known->second.key) {
      return op.dispositions[i];
    }
  }
  return std::nullopt;
}

void Checker::Ended(PoolModel& pool, HandleModel& model, Handle handle, const HandleView& now,
                    Operation& op) {
  const uint64_t fence = model.view.fence;
  const bool rests = pool.options.rest_ms != 0;
  Place place = rests ? Place::kResting : Place::kFree;
  if (now.ending != Ending::kReturned) {
    if (model.view.for_cleaning || pool.options.dirty_unless_returned) place = Place::kDirty;
  }
  switch (now.ending) {
    case Ending::kNone:
      Expect(false, pool, handle, "its grant ends in no way");
      break;
    case Ending::kReturned: {
      Expect(model.view.time > op.now, pool, handle, "it is returned after its deadline");
      const auto as = ReturnedAs(model, handle, fence, op);
      if (as) {
        ++op.ended;
        ++pool.returned;
        if (*as == Disposition::kDirty) place = Place::kDirty;
        if (*as == Disposition::kBroken) place = Place::kQuarantined;
        if (*as == Disposition::kAbandoned &&
            (model.view.for_cleaning || pool.options.dirty_unless_returned)) {
          place = Place::kDirty;
        }
      } else {
        Expect(Undoes(pool, handle, fence, op), pool, handle, "it is returned by nobody");
      }
      break;
    }
    case Ending::kExpired:
      Expect(now_us_ >= model.promised_us, pool, handle, "its grant is cut short");
      Expect(op.now >= model.view.time, pool, handle, "it expires before its deadline");
      ++pool.expired;
      break;
    case Ending::kRevoked:
      Expect(op.kind == Kind::kRevoke && op.handle == handle && op.fence == fence, pool, handle,
             "it is revoked for nobody");
      Expect(model.view.time > op.now, pool, handle, "it is revoked after its deadline");
      ++op.ended;
      ++pool.revoked;
      break;
  }
  if (now.ending != Ending::kExpired && fence == model.held_fence) model.held_until_us = 0;
  Expect(now.place == place, pool, handle, "it goes to another place than it is to");
  Expect(now.time == op.now, pool, handle, "its end has another time");
}

void Checker::Moved(const PoolModel& pool, HandleModel& model, Handle handle, const HandleView& now,
                    const Operation& op) {
  const Place from = model.view.place;
  if (from == now.place) return;
  Expect(now.ending == model.view.ending && now.time == model.view.time, pool, handle,
         "it is moved, and more than its place changes");
  const auto by = [&](Kind kind) { return op.kind == kind && op.handle == handle; };
  if (now.place == Place::kQuarantined) {
    Expect(by(Kind::kQuarantine) || model.condemned, pool, handle, "it is quarantined for nobody");
    // Another one that wants the same may still be at it.
    model.surely_condemned = false;
    model.condemned = std::ranges::any_of(running_, [&](const Operation* other) {
      return other != nullptr && other->running && other->kind == Kind::kQuarantine &&
             other->handle == handle && &pools_[other->pool] == &pool;
    });
  } else if (from == Place::kQuarantined) {
    Expect(now.place == Place::kFree && by(Kind::kReinstate), pool, handle,
           "it is reinstated for nobody");
  } else {
    Expect(from == Place::kResting && now.place == Place::kFree && op.kind == Kind::kSweep, pool,
           handle, "it is moved for nobody");
    Expect(op.now >= model.view.time + pool.options.rest_ms, pool, handle, "its rest is cut short");
  }
}

}  // namespace objpool::sim
