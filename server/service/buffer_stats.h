// What one worker counts of one pool's buffers. Written by that worker alone, read by the
// collector.
#pragma once

#include "pool/base/cache_line.h"
#include "pool/base/counter.h"

namespace objpool::server {

struct alignas(base::kCacheLineBytes) BufferCell {
  base::Counter read_bytes;     // handed over to be sent
  base::Counter written_bytes;  // counted as often as they were written
};

}  // namespace objpool::server
