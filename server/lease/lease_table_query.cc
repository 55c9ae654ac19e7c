// What onlookers ask of the table. Nothing is changed, and nobody who changes something waits.
#include <utility>

#include "server/lease/lease_table.h"

namespace objpool::lease {
namespace {

bool Passes(const GrantView& grant, const GrantFilter& filter, BootMs now) {
  // An older reading of the clock than the grantor's is no time at all.
  const BootMs held = now > grant.granted_at ? now - grant.granted_at : 0;
  return held >= filter.held_at_least_ms && (!filter.holder || *filter.holder == grant.holder);
}

}  // namespace

Verdict LeaseTable::Check(Handle handle, uint64_t fence, BootMs now) const {
  for (;;) {
    const LeaseWord word = WordOf(handle);
    Verdict verdict = Judge(handle, fence, word);
    if (verdict.outcome == Outcome::kStaleFence || verdict.outcome == Outcome::kNotHolder) {
      return verdict;
    }
    if (!word.OfFence(fence)) continue;
    if (word.Overdue(now)) verdict = {.outcome = Outcome::kExpired, .ended_at = word.time()};
    if (verdict.outcome == Outcome::kOk) verdict.deadline = word.time();
    verdict.current_fence = fence;
    return verdict;
  }
}

std::optional<GrantView> LeaseTable::Look(Handle handle, BootMs now) const {
  std::optional<GrantView> view;
  // A try fails only when a grant of this handle began or ended meanwhile. After so many, what is
  // true is that no grant lasts long enough to be shown.
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    if (TryView(handle, now, view)) return view;
  }
  return std::nullopt;
}

bool LeaseTable::TryView(Handle handle, BootMs now, std::optional<GrantView>& view) const {
  const uint64_t before = records_.words[handle].load(std::memory_order_acquire);  // A1 <- R1, R2
  const LeaseWord word(before);
  view.reset();
  if (!word.leased() || word.Overdue(now)) return true;
  GrantView seen = DetailsOf(records_, handle);
  seen.deadline = word.time();
  if (records_.words[handle].load(std::memory_order_relaxed) != before) return false;
  view = std::move(seen);
  return true;
}

HandleView LeaseTable::See(Handle handle) const {
  constexpr int kTries = 100;  // as Look
  HandleView view;
  for (int i = 0; i < kTries; ++i) {
    const LeaseWord word = WordOf(handle);
    view = {.leased = word.leased(),
            .for_cleaning = word.for_cleaning(),
            .place = word.leased() ? Place::kFree : word.place(),
            .ending = word.leased() ? Ending::kNone : word.ending(),
            .fence = records_.details[handle].fence.load(std::memory_order_acquire),  // A3 <- R3
            .time = word.time()};
    if (WordOf(handle).bits() == word.bits() && (view.leased || word.OfFence(view.fence))) break;
  }
  return view;
}

Handle LeaseTable::List(Share range, const GrantFilter& filter, BootMs now, std::size_t most,
                        std::vector<Listed>& out) const {
  for (Handle handle = range.first; handle < range.last; ++handle) {
    if (out.size() >= most) return handle;
    if (!WordOf(handle).leased()) continue;
    std::optional<GrantView> grant = Look(handle, now);
    if (grant && Passes(*grant, filter, now)) out.push_back({handle, *std::move(grant)});
  }
  return range.last;
}

}  // namespace objpool::lease
