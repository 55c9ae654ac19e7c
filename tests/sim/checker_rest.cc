// Checker: what is in order when nothing runs, and what a restart has left.
#include <algorithm>
#include <utility>

#include "tests/sim/checker.h"

namespace objpool::sim {

using lease::Ending;
using lease::HandleView;
using lease::Place;

void Checker::Died(bool power_cut) {
  for (PoolModel& pool : pools_) {
    pool.leases = nullptr;
    pool.words = nullptr;
    pool.waiting.clear();
    pool.draining = false;
    for (HandleModel& model : pool.handles) {
      model.condemned = model.surely_condemned = false;
      if (power_cut && model.view.leased && model.promised_us >= model.held_until_us) {
        model.held_until_us = model.promised_us;
        model.held_fence = model.view.fence;
      }
    }
  }
  running_.fill(nullptr);
}

// What was found of a handle, against what was left of it.
void Checker::Compare(PoolModel& pool, Handle handle, const HandleView& found, bool power_cut) {
  HandleModel& model = pool.handles[handle];
  const HandleView& left = model.view;
  if (!power_cut) {
    // A grant that was begun and not made may have changed the fence, or cost what was told of it.
    const bool begun = !left.leased && (found.fence == 0 || found.fence > left.fence);
    Expect(found.leased == left.leased && found.place == left.place &&
               found.for_cleaning == left.for_cleaning,
           pool, handle, "a restart has changed where it is");
    Expect((begun && found.place == Place::kFree) ||
               (found.time == left.time && found.ending == left.ending),
           pool, handle, "a restart has changed its time");
    Expect(begun || found.fence == left.fence, pool, handle, "a restart has changed its fence");
    if (begun) model.granted_fence = found.ending == Ending::kNone ? 0 : model.granted_fence;
    return;
  }
  if (!found.leased) {
    model.granted_fence = found.ending == Ending::kNone ? 0 : found.fence;
    model.unsure = true;
  } else {
    const auto was = std::ranges::find_if(model.past, [&](const Past& past) {
      return past.fence == found.fence && past.deadline == found.time;
    });
    Expect(was != model.past.end(), pool, handle, "a power cut has made up a grant");
    if (was == model.past.end()) return;
    model.granted_fence = found.fence;
    model.promised_us = was->promised_us;
  }
  if (!acks_are_durable_) return;
  const bool ran = left.leased && left.fence == model.told_fence;
  Expect(!ran || (found.leased && found.fence == model.told_fence), pool, handle,
         "a power cut has ended a grant that its holder knows of");
  Expect(!found.leased || found.fence != model.told_end, pool, handle,
         "a power cut has brought a grant back that was returned");
}

void Checker::Started(uint32_t index, const Serving& serving, bool after_power_cut) {
  PoolModel& pool = pools_[index];
  pool.leases = serving.leases;
  pool.words = serving.records;
  pool.granted = pool.returned = pool.expired = pool.revoked = pool.renewed = pool.recovered = 0;
  pool.available = {};
  for (Handle handle = 0; handle < pool.handles.size() && !failed(); ++handle) {
    HandleModel& model = pool.handles[handle];
    const HandleView found = pool.leases->See(handle);
    Compare(pool, handle, found, after_power_cut);
    model.view = found;
    if (found.leased) {
      ++pool.recovered;
    } else if (found.place == Place::kFree || found.place == Place::kDirty) {
      ++pool.available[found.place == Place::kFree ? 0 : 1][pool.options.ClassOf(handle)];
    }
  }
}

void Checker::CheckHandles(PoolModel& pool) {
  for (Handle handle = 0; handle < pool.handles.size() && !failed(); ++handle) {
    HandleModel& model = pool.handles[handle];
    const HandleView now = pool.leases->See(handle);
    Expect(now.leased == model.view.leased && now.place == model.view.place &&
               now.ending == model.view.ending && now.time == model.view.time &&
               now.for_cleaning == model.view.for_cleaning,
           pool, handle, "it was changed when nobody saw it");
    Expect(now.fence == model.view.fence || (!now.leased && now.fence > model.view.fence), pool,
           handle, "its fence was changed");
    model.view.fence = now.fence;
    const bool out = !now.leased && now.place == Place::kQuarantined;
    Expect(!model.surely_condemned || now.leased || out, pool, handle,
           "it was to be quarantined when its grant ended");
  }
}

void Checker::CheckCounts(const PoolModel& pool) {
  const lease::LeasePool::Census found = pool.leases->Recount();
  const lease::LeasePool::Census counted = pool.leases->Counted();
  const auto text = [](const lease::LeasePool::Census& census) {
    return std::to_string(census.free) + " free, " + std::to_string(census.leased) + " leased, " +
           std::to_string(census.dirty) + " dirty, " + std::to_string(census.resting) +
           " resting, " + std::to_string(census.quarantined) + " quarantined";
  };
  if (!(found == counted) || found.sum() != pool.options.capacity) {
    Fail(pool.options.name + ": counted are " + text(counted) + "; there are " + text(found));
  }
  const lease::LeaseTotals totals = pool.leases->Totals();
  const auto same = [&](const char* what, uint64_t is, uint64_t should) {
    if (is == should) return;
    Fail(pool.options.name + ": " + std::to_string(is) + " " + what + " were counted, and " +
         std::to_string(should) + " there were");
  };
  same("grants", totals.granted, pool.granted);
  same("recovered", totals.recovered, pool.recovered);
  same("returns", totals.returned, pool.returned);
  same("expiries", totals.expired, pool.expired);
  same("revocations", totals.revoked, pool.revoked);
  same("renewals", totals.renewed, pool.renewed);
}

void Checker::CheckWaiting(const PoolModel& pool, lease::BootMs now) {
  if (pool.leases->LookAtWaiting().waiters != pool.waiting.size()) {
    Fail(pool.options.name + ": another number waits than it should");
  }
  if (pool.draining || pool.leases->GraceLeftMs(now) != 0) return;
  // One that certainly is behind nobody who wants the same is served as soon as it can be.
  for (const Waiting* const waiting : pool.waiting) {
    const bool behind = std::ranges::any_of(pool.waiting, [&](const Waiting* other) {
      const bool later = other->priority < waiting->priority ||
                         (other->priority == waiting->priority && waiting->settled < other->began);
      return other != waiting && other->dirty == waiting->dirty && !later &&
             (other->of_classes & waiting->of_classes) != 0;
    });
    const uint64_t available = pool.Available(waiting->dirty, waiting->of_classes);
    if (behind || waiting->min_count > available) continue;
    Fail(pool.options.name + ": waiter " + std::to_string(waiting->number) +
         " is forgotten, with " + std::to_string(available) +
         (waiting->dirty ? " dirty" : " free"));
  }
  // Of those who may be first, each can be served: then one was forgotten.
  for (const bool dirty : {false, true}) {
    bool some = false;
    bool all = true;
    for (const Waiting* const waiting : pool.waiting) {
      const bool behind = std::ranges::any_of(pool.waiting, [&](const Waiting* other) {
        return other->dirty == waiting->dirty &&
               (other->priority > waiting->priority ||
                (other->priority == waiting->priority && other->settled < waiting->began));
      });
      if (waiting->dirty != dirty || behind) continue;
      some = true;
      all = all && waiting->min_count <= pool.Available(dirty, waiting->of_classes);
    }
    if (some && all) Fail(pool.options.name + ": who waits is forgotten");
  }
}

void Checker::AtRest(lease::BootMs now) {
  for (PoolModel& pool : pools_) {
    if (failed() || pool.leases == nullptr) continue;
    CheckHandles(pool);
    if (!failed()) CheckCounts(pool);
    if (!failed()) CheckWaiting(pool, now);
  }
}

lease::BootMs Checker::LastDeadline() const {
  lease::BootMs last = 0;
  for (const PoolModel& pool : pools_) {
    for (const HandleModel& model : pool.handles) {
      const bool runs = model.view.leased || model.view.place == Place::kResting;
      if (runs) last = std::max(last, model.view.time);
    }
  }
  return last;
}

void Checker::AllHome(uint32_t index) {
  const PoolModel& pool = pools_[index];
  for (Handle handle = 0; handle < pool.handles.size() && !failed(); ++handle) {
    const HandleView& view = pool.handles[handle].view;
    Expect(!view.leased && view.place != Place::kResting, pool, handle, "it has not come home");
  }
}

}  // namespace objpool::sim
