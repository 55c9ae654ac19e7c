// PoolSet: the named pools of a server.
//
// Threads: made by one thread; then Attach and Sweep by each worker for itself, and the rest by
// all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pool/base/cache_line.h"
#include "pool/object_memory.h"
#include "server/config/config.h"
#include "server/lease/lease_pool.h"
#include "server/service/lease_clock.h"
#include "server/store/pool_file.h"
#include "server/store/state_dir.h"

namespace objpool::server {

struct NamedPool {
  PoolSpec spec;
  std::unique_ptr<store::PoolFile> file;  // durable pools only; outlives the leases
  std::unique_ptr<lease::LeasePool> leases;
  std::unique_ptr<ObjectMemory> memory;  // pools of buffers only

  [[nodiscard]] uint32_t capacity() const { return leases->pool().capacity(); }
};

class PoolSet {
 public:
  struct Options {
    std::shared_ptr<const SlotMap> slots;
    // For volatile pools: above every fence that an earlier server of these pools gave.
    uint64_t first_fence = 1;
    // For durable pools. Outlives the set. Null when there are none.
    store::StateDir* state = nullptr;
    std::function<void(lease::Waiter&)> on_served;  // see LeasePool::Options
    LeaseClock clock;
    lease::BootMs now = 0;  // by that clock
  };
  // Null, with `why` naming the pool, when memory runs out or the pool's file cannot be used.
  [[nodiscard]] static std::unique_ptr<PoolSet> Create(const std::vector<PoolSpec>& specs,
                                                       const Options& options, std::string& why);

  [[nodiscard]] LeaseClock clock() const { return clock_; }
  // Memory that Attach will fill, for all pools, in bytes.
  [[nodiscard]] uint64_t memory_bytes() const;

  // Makes the worker's share of every pool, from the worker's thread.
  [[nodiscard]] bool Attach(SlotId worker, std::string& why);

  // Takes back what has expired in the worker's shares: a little at each call, and a whole round
  // every 20 ms or so. True when the round is not done.
  [[nodiscard]] bool Sweep(SlotId worker, lease::BootMs now);

  // Waits until the disk has all durable pools. While nobody leases or returns.
  [[nodiscard]] bool Sync(std::string& why) const;

  // By "NAME" or "pools/NAME"; null when there is none.
  [[nodiscard]] NamedPool* Find(std::string_view name);
  // Ordered by name.
  [[nodiscard]] std::span<const NamedPool> pools() const { return pools_; }

 private:
  struct alignas(base::kCacheLineBytes) Round {
    bool running = false;
    std::size_t pool = 0;  // the next one to be swept
    lease::BootMs next_at = 0;
  };

  explicit PoolSet(LeaseClock clock) : clock_(clock) {}

  const LeaseClock clock_;
  std::vector<NamedPool> pools_;
  std::unordered_map<std::string_view, NamedPool*> by_name_;
  std::vector<Round> rounds_;  // by worker
};

}  // namespace objpool::server
