#include "server/lease/session_grants.h"

#include <algorithm>

#include "pool/base/check.h"

namespace objpool::lease {
namespace {

// When a third of the time is left.
BootMs SoonAt(BootMs deadline, uint64_t time_ms) {
  return deadline - std::min<BootMs>(deadline, time_ms / 3);
}

}  // namespace

uint32_t SessionGrants::PoolAt(std::string_view name) {
  if (const auto known = pool_at_.find(name); known != pool_at_.end()) return known->second;
  auto place = static_cast<uint32_t>(pools_.size());
  if (free_pools_.empty()) {
    pools_.emplace_back();
  } else {
    place = free_pools_.back();
    free_pools_.pop_back();
  }
  pools_[place].name = name;
  pool_at_.emplace(name, place);
  return place;
}

std::size_t SessionGrants::Find(std::string_view pool, uint64_t handle) const {
  const auto known = pool_at_.find(pool);
  if (known == pool_at_.end()) return kNowhere;
  const auto place = places_.find(Index(known->second, handle));
  return place == places_.end() ? kNowhere : place->second;
}

void SessionGrants::Add(std::string_view pool, const GrantRef& ref, uint64_t ttl_ms,
                        BootMs deadline, BootMs now) {
  Held held = {.ref = ref, .deadline = deadline, .ttl_ms = ttl_ms};
  const uint64_t left_ms = deadline > now ? deadline - now : 0;
  held.soon_at = SoonAt(deadline, ttl_ms == 0 ? left_ms : ttl_ms);
  held.pool = PoolAt(pool);
  const auto [known, added] =
      places_.emplace(Index(held.pool, ref.handle), static_cast<uint32_t>(held_.size()));
  if (!added) {
    held_[known->second] = held;
    return;
  }
  OBJPOOL_CHECK(held_.size() < kMax, "the caller looks for room");
  held_.push_back(held);
  ++pools_[held.pool].grants;
}

void SessionGrants::Renew(std::string_view pool, const GrantRef& ref, uint64_t ttl_ms,
                          BootMs deadline) {
  const std::size_t place = Find(pool, ref.handle);
  if (place != kNowhere && held_[place].ref.fence == ref.fence) RenewAt(place, ttl_ms, deadline);
}

bool SessionGrants::Remove(std::string_view pool, uint64_t handle, uint64_t fence) {
  const std::size_t place = Find(pool, handle);
  if (place == kNowhere || held_[place].ref.fence != fence) return false;
  RemoveAt(place);
  return true;
}

bool SessionGrants::Has(std::string_view pool, uint64_t handle, uint64_t fence) const {
  const std::size_t place = Find(pool, handle);
  return place != kNowhere && held_[place].ref.fence == fence;
}

std::size_t SessionGrants::FirstOfRun(std::size_t end, std::size_t most) const {
  OBJPOOL_CHECK(end >= 1 && end <= held_.size() && most >= 1, "there is something before the end");
  const Held& last = held_[end - 1];
  std::size_t first = end - 1;
  while (first > 0 && end - first < most && held_[first - 1].pool == last.pool &&
         held_[first - 1].ttl_ms == last.ttl_ms) {
    --first;
  }
  return first;
}

void SessionGrants::RemoveAt(std::size_t place) {
  const Held& gone = held_[place];
  places_.erase(Index(gone.pool, gone.ref.handle));
  PoolName& pool = pools_[gone.pool];
  if (--pool.grants == 0) {
    free_pools_.push_back(gone.pool);
    pool_at_.erase(pool.name);
    pool.name.clear();
  }
  if (place != held_.size() - 1) {
    held_[place] = held_.back();
    places_[Index(held_[place].pool, held_[place].ref.handle)] = static_cast<uint32_t>(place);
  }
  held_.pop_back();
}

void SessionGrants::RenewAt(std::size_t place, uint64_t ttl_ms, BootMs deadline) {
  Held& held = held_[place];
  held.deadline = deadline;
  held.ttl_ms = ttl_ms;
  held.soon_at = SoonAt(deadline, ttl_ms);
  held.told = false;
}

SessionGrants::Finding SessionGrants::LookAt(std::size_t place, const Verdict& verdict,
                                             BootMs now) {
  if (verdict.outcome != Outcome::kOk) return Finding::kOver;
  Held& held = held_[place];
  if (verdict.deadline != held.deadline) {
    // Renewed by a call beside the session: how long for is not known, but what is left.
    held.deadline = verdict.deadline;
    held.soon_at = SoonAt(held.deadline, held.deadline > now ? held.deadline - now : 0);
    held.told = false;
  }
  return !held.told && now >= held.soon_at ? Finding::kSoon : Finding::kNothing;
}

}  // namespace objpool::lease
