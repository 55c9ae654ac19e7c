// NamedPool: one pool of the server, under its name.
//
// Threads: made by one; then its limits may be changed and read by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "pool/object_memory.h"
#include "server/config/config.h"
#include "server/lease/lease_pool.h"
#include "server/service/buffer_scrub.h"
#include "server/service/buffer_stats.h"
#include "server/service/low_water.h"
#include "server/store/pool_file.h"

namespace objpool::server {

struct NamedPool {
  explicit NamedPool(const PoolSpec& of)
      : spec(of),
        ttl_min_ms(of.ttl_min_ms),
        ttl_default_ms(of.ttl_default_ms),
        ttl_max_ms(of.ttl_max_ms),
        reuse_delay_ms(of.reuse_delay_ms) {}

  const PoolSpec spec;                    // as it was made; what may have changed since is below
  std::unique_ptr<store::PoolFile> file;  // durable pools only; outlives the leases
  std::unique_ptr<ObjectMemory> memory;   // pools of buffers only
  std::vector<BufferCell> transfers;      // likewise; by worker
  std::unique_ptr<BufferScrub> scrub;     // of those that are scrubbed
  std::unique_ptr<lease::LeasePool> leases;

  // See PoolSpec. Of three that are changed together, a reader may see some old and some new.
  std::atomic<uint32_t> ttl_min_ms;
  std::atomic<uint32_t> ttl_default_ms;
  std::atomic<uint32_t> ttl_max_ms;
  std::atomic<uint32_t> reuse_delay_ms;
  // Free handles, noted by one worker.
  LowWater low_free;
  SlotId low_free_noted_by = 0;
  // Something was stored since the last sync. Pools on disk only.
  mutable std::atomic<bool> stored{false};
  // It drains for good, and is gone when its last grant is over.
  std::atomic<bool> deleting{false};

  [[nodiscard]] uint32_t capacity() const { return leases->pool().capacity(); }
};

}  // namespace objpool::server
