#include "server/service/pool_set.h"

#include <algorithm>
#include <utility>

#include "pool/base/check.h"
#include "server/service/free_watch.h"

namespace objpool::server {
namespace {

// With the worker's own wait of 20 ms at most, a grant is back within 50 ms of its deadline on a
// worker that gets to run.
constexpr lease::BootMs kRoundMs = 20;
// Pools, or pieces of a large one, in a turn: some ten microseconds of a worker's time.
constexpr int kSweepsPerTurn = 8;

}  // namespace

PoolSet::PoolSet(const Options& options)
    : clock_(options.clock), maker_(options.maker), desks_(options.maker.slots->slots()) {}

PoolSet::~PoolSet() = default;

std::unique_ptr<PoolSet> PoolSet::Create(const std::vector<PoolSpec>& specs, const Options& options,
                                         std::string& why) {
  std::unique_ptr<PoolSet> set(new PoolSet(options));
  std::vector<NamedPool*> pools;
  for (const PoolSpec& spec : specs) {
    auto pool = set->maker_.Make(spec, options.now, why);
    if (pool == nullptr) {
      why = "pool " + spec.name + ": " + why;
      return nullptr;
    }
    set->engine_ = pool->leases->pool().engine();
    pools.push_back(pool.get());
    set->pools_.push_back(std::move(pool));
  }
  set->Publish(std::move(pools));
  return set;
}

// Behind the life lock, or while there is nobody else.
void PoolSet::Publish(std::vector<NamedPool*> pools) {
  auto next = std::make_unique<View>();
  next->id = ++views_;
  next->pools = std::move(pools);
  std::ranges::sort(next->pools, {}, [](const NamedPool* pool) { return pool->spec.name; });
  for (NamedPool* const pool : next->pools) next->by_name.emplace(pool->spec.name, pool);
  view_.store(next.get(), std::memory_order_release);  // R1 -> A1
  const uint64_t generation = NextGeneration();
  if (current_ != nullptr) old_views_.emplace_back(generation, std::move(current_));
  current_ = std::move(next);
  std::erase_if(old_views_, [this](const auto& old) { return AllPassed(old.first); });
}

uint64_t PoolSet::memory_bytes() const {
  uint64_t sum = 0;
  for (const NamedPool& pool : pools()) {
    sum += maker_.MemoryBytes(pool.spec);
    if (pool.memory == nullptr) continue;
    sum += pool.memory->mapped_bytes() - (pool.capacity() * pool.memory->size_bytes());
  }
  return sum;
}

bool PoolSet::Attach(SlotId worker, std::string& why) {
  for (NamedPool& pool : pools()) {
    if ((pool.memory == nullptr || pool.memory->Attach(worker)) && pool.leases->Attach(worker)) {
      continue;
    }
    why =
        "pool " + pool.spec.name + ": no memory for the share of worker " + std::to_string(worker);
    return false;
  }
  return true;
}

bool PoolSet::Turn(SlotId worker, lease::BootMs now) {
  Desk& desk = desks_[worker];
  if (offers_.load(std::memory_order_acquire) != desk.joined) Join(worker);
  const bool more = Sweep(worker, now);
  // The sweep's place is a number; the view itself may be gone when the next turn begins.
  desk.passed.store(generation_.load(std::memory_order_acquire), std::memory_order_release);  // R2
  return more;
}

std::shared_ptr<PoolSet::Joining> PoolSet::Offer(std::unique_ptr<NamedPool> pool) {
  const auto workers = static_cast<uint32_t>(desks_.size());
  auto joining = std::make_shared<Joining>(std::move(pool), workers);
  const std::scoped_lock lock(join_lock_);
  joining_.push_back(joining);
  offers_.fetch_add(1, std::memory_order_release);
  return joining;
}

// The last one to join lets everybody see the pool.
void PoolSet::Join(SlotId worker) {
  Desk& desk = desks_[worker];
  std::vector<std::shared_ptr<Joining>> mine;
  {
    const std::scoped_lock lock(join_lock_);
    const uint64_t offers = offers_.load(std::memory_order_relaxed);
    // Those that are over were taken out, so the new ones are the last of the list.
    const uint64_t fresh = std::min<uint64_t>(offers - desk.joined, joining_.size());
    mine.assign(joining_.end() - static_cast<std::ptrdiff_t>(fresh), joining_.end());
    desk.joined = offers;
  }
  for (const std::shared_ptr<Joining>& joining : mine) {
    NamedPool& pool = *joining->pool_;
    if ((pool.memory != nullptr && !pool.memory->Attach(worker)) || !pool.leases->Attach(worker)) {
      joining->failed_.store(true, std::memory_order_relaxed);
    }
    if (joining->left_.fetch_sub(1, std::memory_order_acq_rel) != 1) continue;
    if (!joining->failed_.load(std::memory_order_relaxed)) {
      const std::scoped_lock lock(life_lock_);
      std::vector<NamedPool*> pools = current_->pools;
      pools.push_back(&pool);
      pools_.push_back(std::move(joining->pool_));
      Publish(std::move(pools));
    }
    const std::scoped_lock lock(join_lock_);
    std::erase(joining_, joining);
    joining->over_.store(true, std::memory_order_release);
  }
}

uint64_t PoolSet::Withdraw(NamedPool& pool) {
  const std::scoped_lock lock(life_lock_);
  std::vector<NamedPool*> pools = current_->pools;
  std::erase(pools, &pool);
  Publish(std::move(pools));
  return NextGeneration();
}

void PoolSet::Destroy(NamedPool& pool) {
  const std::scoped_lock lock(life_lock_);
  const auto erased = std::erase_if(pools_, [&](const auto& each) { return each.get() == &pool; });
  OBJPOOL_CHECK(erased == 1, "a pool is destroyed once");
}

bool PoolSet::AllPassed(uint64_t generation) const {
  return std::ranges::all_of(desks_, [generation](const Desk& desk) {
    return desk.passed.load(std::memory_order_acquire) >= generation;  // A2 <- R2
  });
}

bool PoolSet::Sweep(SlotId worker, lease::BootMs now) {
  Desk& desk = desks_[worker];
  const View& all = view();
  if (!desk.running || desk.swept != all.id) {
    if (!desk.running && now < desk.next_at) return false;
    desk.running = !all.pools.empty();
    desk.pool = 0;
    desk.swept = all.id;
    desk.next_at = now + kRoundMs;
  }
  for (int i = 0; i < kSweepsPerTurn && desk.running; ++i) {
    NamedPool& pool = *all.pools[desk.pool];
    if (!pool.leases->Sweep(worker, now)) continue;
    if (pool.low_free_noted_by == worker) {
      NoteFree(pool, now);
    }
    if (++desk.pool == all.pools.size()) desk.running = false;
  }
  return desk.running;
}

bool PoolSet::Sync(std::string& why) const {
  const Held held = pools();
  return std::ranges::all_of(held.list(), [&](const NamedPool* pool) {
    return pool->file == nullptr || pool->file->Sync(why);
  });
}

PoolSet::Held PoolSet::pools() const {
  std::shared_lock lock(life_lock_);
  return {std::move(lock), current_->pools};
}

NamedPool* PoolSet::Find(std::string_view name) const {
  constexpr std::string_view kPrefix = "pools/";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  const auto& by_name = view().by_name;
  const auto at = by_name.find(name);
  return at == by_name.end() ? nullptr : at->second;
}

}  // namespace objpool::server
