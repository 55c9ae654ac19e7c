// PoolSet: the named pools of a server, who come and go while it serves.
//
// What pools there are is a View, which is never changed: whoever adds or removes one publishes
// another. A worker uses what it finds in a view until the end of its turn, and says at the end of
// each turn that it has passed; what was taken out is destroyed when every worker has passed since.
//   R1  a new view is stored                     pairs with  A1  every load of the view
//   R2  a worker says which generation it passed, at the end of a turn   pairs with  A2  AllPassed
// Everybody else holds a lock against destruction (Held).
//
// Threads: made by one; then Attach and Turn by each worker for itself; Find by workers, within a
// turn; Offer, Withdraw and Destroy by one thread at a time; the rest by all.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pool/base/cache_line.h"
#include "server/service/lease_clock.h"
#include "server/service/named_pool.h"
#include "server/service/pool_maker.h"

namespace objpool::server {

class PoolSet {
 public:
  struct Options {
    PoolMaker::Options maker;
    LeaseClock clock;
    lease::BootMs now = 0;  // by that clock
  };
  // Null, with `why` naming the pool, when memory runs out or the pool's file cannot be used.
  [[nodiscard]] static std::unique_ptr<PoolSet> Create(const std::vector<PoolSpec>& specs,
                                                       const Options& options, std::string& why);
  ~PoolSet();
  PoolSet(const PoolSet&) = delete;
  PoolSet& operator=(const PoolSet&) = delete;

  [[nodiscard]] LeaseClock clock() const { return clock_; }
  [[nodiscard]] PoolMaker& maker() { return maker_; }
  // Memory that Attach will fill, for all pools, in bytes.
  [[nodiscard]] uint64_t memory_bytes() const;

  // Makes the worker's share of every pool, from the worker's thread, before its first turn.
  [[nodiscard]] bool Attach(SlotId worker, std::string& why);
  // At the end of each of the worker's turns: makes its share of pools that are offered; takes back
  // what has expired in its shares, a little at each turn, and a whole round every 20 ms or so.
  // True when the round is not done.
  [[nodiscard]] bool Turn(SlotId worker, lease::BootMs now);

  // How slots keep their owner and thieves apart, in all pools of this process.
  [[nodiscard]] const char* engine() const { return engine_; }

  // Waits until the disk has all durable pools. While nobody leases or returns.
  [[nodiscard]] bool Sync(std::string& why) const;

  // By "NAME" or "pools/NAME"; null when there is none.
  [[nodiscard]] NamedPool* Find(std::string_view name) const;

  // All pools, ordered by name, none of which is destroyed while this is held.
  class Held;
  [[nodiscard]] Held pools() const;

  // A pool that waits until every worker has attached its share; then all can find it.
  class Joining;
  [[nodiscard]] std::shared_ptr<Joining> Offer(std::unique_ptr<NamedPool> pool);
  // Nobody finds the pool from now on. It is destroyed when all have passed the generation that is
  // returned.
  [[nodiscard]] uint64_t Withdraw(NamedPool& pool);
  void Destroy(NamedPool& pool);
  // A generation that no worker has passed yet; whether all have by now.
  [[nodiscard]] uint64_t NextGeneration() { return generation_.fetch_add(1) + 1; }
  [[nodiscard]] bool AllPassed(uint64_t generation) const;

 private:
  struct View {
    uint64_t id = 0;
    std::vector<NamedPool*> pools;  // by name
    std::unordered_map<std::string_view, NamedPool*> by_name;
  };
  struct alignas(base::kCacheLineBytes) Desk {
    std::atomic<uint64_t> passed{0};
    uint64_t joined = 0;  // how many offers it has seen
    uint64_t swept = 0;   // the view that is being swept
    bool running = false;
    std::size_t pool = 0;  // the next one to be swept
    lease::BootMs next_at = 0;
  };

  explicit PoolSet(const Options& options);
  [[nodiscard]] const View& view() const { return *view_.load(std::memory_order_acquire); }  // A1
  void Publish(std::vector<NamedPool*> pools);
  void Join(SlotId worker);
  [[nodiscard]] bool Sweep(SlotId worker, lease::BootMs now);

  const LeaseClock clock_;
  PoolMaker maker_;
  std::atomic<const View*> view_{nullptr};
  std::atomic<uint64_t> generation_{0};
  std::vector<Desk> desks_;  // by worker
  const char* engine_ = "";

  // Held by who reads and is no worker; alone by who destroys.
  mutable std::shared_mutex life_lock_;
  std::vector<std::unique_ptr<NamedPool>> pools_;
  std::vector<std::pair<uint64_t, std::unique_ptr<const View>>> old_views_;
  std::unique_ptr<const View> current_;
  uint64_t views_ = 0;
  // Of offers, which workers look at when their count changes.
  std::mutex join_lock_;
  std::vector<std::shared_ptr<Joining>> joining_;
  std::atomic<uint64_t> offers_{0};
};

class PoolSet::Held {
 public:
  class Iterator {
   public:
    explicit Iterator(std::vector<NamedPool*>::const_iterator at) : at_(at) {}
    NamedPool& operator*() const { return **at_; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    std::vector<NamedPool*>::const_iterator at_;
  };
  [[nodiscard]] Iterator begin() const { return Iterator(pools_.begin()); }
  [[nodiscard]] Iterator end() const { return Iterator(pools_.end()); }
  [[nodiscard]] std::size_t size() const { return pools_.size(); }
  [[nodiscard]] const std::vector<NamedPool*>& list() const { return pools_; }

 private:
  friend PoolSet;
  Held(std::shared_lock<std::shared_mutex> lock, const std::vector<NamedPool*>& pools)
      : lock_(std::move(lock)), pools_(pools) {}
  std::shared_lock<std::shared_mutex> lock_;
  const std::vector<NamedPool*>& pools_;
};

class PoolSet::Joining {
 public:
  Joining(std::unique_ptr<NamedPool> pool, uint32_t workers)
      : pool_(std::move(pool)), left_(workers) {}
  // Whether all workers have been at it, and whether it serves.
  [[nodiscard]] bool over() const { return over_.load(std::memory_order_acquire); }
  [[nodiscard]] bool serves() const { return over() && !failed_.load(std::memory_order_relaxed); }

 private:
  friend PoolSet;
  std::unique_ptr<NamedPool> pool_;
  std::atomic<uint32_t> left_;
  std::atomic<bool> over_{false};
  std::atomic<bool> failed_{false};
};

}  // namespace objpool::server
