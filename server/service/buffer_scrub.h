// BufferScrub: makes zeros of buffers between two grants, a piece at each call, so that nobody is
// held up by a large one.
//
// A worker scrubs one buffer at a time, of those in its own range; the others rest until their
// turn. Threads: each worker for itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pool/base/cache_line.h"
#include "pool/object_memory.h"
#include "server/lease/lease_pool.h"

namespace objpool::server {

class BufferScrub {
 public:
  // Some 200 us of a worker's time.
  static constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

  // `memory` must outlive it.
  BufferScrub(const ObjectMemory& memory, uint32_t workers) : memory_(memory), desks_(workers) {}

  // True when the resting handle's buffer is all zeros. `leases` is its pool.
  [[nodiscard]] bool IsDone(const lease::LeasePool& leases, SlotId worker, Handle handle);

 private:
  struct alignas(base::kCacheLineBytes) Desk {
    Handle handle = kNoHandle;  // being scrubbed
    uint64_t fence = 0;         // its newest grant's, when that began
    std::size_t done = 0;       // bytes
  };

  const ObjectMemory& memory_;
  std::vector<Desk> desks_;
};

}  // namespace objpool::server
