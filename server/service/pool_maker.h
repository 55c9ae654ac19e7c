// PoolMaker: makes the pools of a server, each from what the configuration says of it.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/config/config.h"
#include "server/lease/lease_pool.h"
#include "server/lease/request_memory.h"
#include "server/service/named_pool.h"
#include "server/store/state_dir.h"

namespace objpool::server {

class PoolMaker {
 public:
  struct Options {
    std::shared_ptr<const SlotMap> slots;
    // For durable pools. Outlives the pools. Null when there are none.
    store::StateDir* state = nullptr;
    // Learns what durable pools were asked for by earlier servers. Outlives the maker.
    lease::RequestMemory* requests = nullptr;
    std::function<void(lease::Waiter&)> on_served;  // see LeasePool::Options
  };
  explicit PoolMaker(const Options& options) : options_(options), secret_(lease::RandomSecret()) {}

  // Without handles: each worker attaches its share. `now` is by the lease clock. Null, with `why`,
  // when memory runs out or the pool's file cannot be used.
  [[nodiscard]] std::unique_ptr<NamedPool> Make(const PoolSpec& spec, lease::BootMs now,
                                                std::string& why);
  // The most memory that the pool will ever fill, in bytes; pages of its buffers, where these are
  // larger than asked, aside.
  [[nodiscard]] uint64_t MemoryBytes(const PoolSpec& spec) const;
  [[nodiscard]] const SlotMap& slots() const { return *options_.slots; }

 private:
  [[nodiscard]] bool OpenFile(NamedPool& pool, lease::BootMs now,
                              lease::LeasePool::Options& options, std::string& why) const;

  void RestoreRequests(const store::PoolFile& file, uint32_t capacity) const;

  const Options options_;
  const lease::Secret secret_;  // of pools that have none of their own
  uint32_t next_id_ = 1;
};

}  // namespace objpool::server
