#include "server/service/free_watch.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace objpool::server {
namespace {

// Without what is counted twice or not at all while a thief carries it, which would look like a
// dip.
uint32_t FreeWithoutSteals(const lease::FreeHandles& pool) {
  uint64_t sum = 0;  // wraps, and back
  for (SlotId slot = 0; slot < pool.slots().slots(); ++slot) {
    const SlotStats stats = pool.Stats(slot);
    sum += stats.occupancy;
    for (std::size_t d = 0; d < kStealDistances; ++d) {
      sum += stats.stolen_from[d] - stats.stolen_by[d];
    }
  }
  return static_cast<uint32_t>(std::min<uint64_t>(sum, pool.capacity()));
}

}  // namespace

void NoteFree(NamedPool& pool, lease::BootMs now) {
  pool.low_free.Note(FreeWithoutSteals(pool.leases->pool()), now);
}

}  // namespace objpool::server
