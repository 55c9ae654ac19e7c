// tbb::concurrent_queue.
#include <tbb/concurrent_queue.h>

#include <cstdint>
#include <memory>

#include "pool/pool.h"
#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/queue_pool.h"
#include "tests/bench/pool/run_cell.h"

namespace objpool::bench {
namespace {

using Queue = tbb::concurrent_queue<Handle>;

struct TbbOps {
  static Queue Make(uint32_t) { return Queue(); }
  static bool Pop(Queue& queue, Handle& handle) { return queue.try_pop(handle); }
  static void Push(Queue& queue, Handle handle) { queue.push(handle); }
};

}  // namespace

void AddTbb(Contenders& to) {
  to.push_back(std::make_unique<ContenderOf<QueuePool<Queue, TbbOps>>>("tbb queue"));
}

}  // namespace objpool::bench
