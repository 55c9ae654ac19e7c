// boost::lockfree::stack and queue, with nodes for all handles from the start.
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/stack.hpp>
#include <memory>

#include "pool/pool.h"
#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/queue_pool.h"
#include "tests/bench/pool/run_cell.h"

namespace objpool::bench {
namespace {

template <typename Container>
struct BoostOps {
  static Container Make(uint32_t capacity) { return Container(capacity); }
  static bool Pop(Container& container, Handle& handle) { return container.pop(handle); }
  static void Push(Container& container, Handle handle) { container.push(handle); }
};

using Stack = boost::lockfree::stack<Handle>;
using Queue = boost::lockfree::queue<Handle>;

}  // namespace

void AddBoost(Contenders& to) {
  to.push_back(std::make_unique<ContenderOf<QueuePool<Stack, BoostOps<Stack>>>>("boost stack"));
  to.push_back(std::make_unique<ContenderOf<QueuePool<Queue, BoostOps<Queue>>>>("boost queue"));
}

}  // namespace objpool::bench
