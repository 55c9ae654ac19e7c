// moodycamel::ConcurrentQueue, with tokens for each thread and without.
#include <concurrentqueue/concurrentqueue.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "pool/base/check.h"
#include "pool/pool.h"
#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/run_cell.h"

namespace objpool::bench {
namespace {

using Queue = moodycamel::ConcurrentQueue<Handle>;

template <bool kTokens>
class MoodycamelPool {
 public:
  using Item = Handle;
  static constexpr Item kNone = kNoHandle;
  static constexpr uint32_t kThreads = std::numeric_limits<uint32_t>::max();
  static constexpr bool kConserves = true;

  explicit MoodycamelPool(const Shape& shape) : queue_(shape.capacity) {}

  class Worker {
   public:
    Worker(MoodycamelPool& pool, uint32_t)
        : queue_(pool.queue_), producer_(pool.queue_), consumer_(pool.queue_) {}

    Item Pop() {
      Handle handle = kNoHandle;
      const bool found =
          kTokens ? queue_.try_dequeue(consumer_, handle) : queue_.try_dequeue(handle);
      return found ? handle : kNoHandle;
    }
    void Push(Item item) { Must(kTokens ? queue_.enqueue(producer_, item) : queue_.enqueue(item)); }
    uint32_t PopBatch(Item* items, uint32_t count) {
      return static_cast<uint32_t>(kTokens ? queue_.try_dequeue_bulk(consumer_, items, count)
                                           : queue_.try_dequeue_bulk(items, count));
    }
    void PushBatch(const Item* items, uint32_t count) {
      Must(kTokens ? queue_.enqueue_bulk(producer_, items, count)
                   : queue_.enqueue_bulk(items, count));
    }
    void Fill(std::span<const uint32_t> share) {
      for (const uint32_t handle : share) Push(handle);
    }

   private:
    static void Must(bool done) { OBJPOOL_CHECK(done, "the queue has memory"); }

    Queue& queue_;
    moodycamel::ProducerToken producer_;
    moodycamel::ConsumerToken consumer_;
  };

 private:
  Queue queue_;
};

}  // namespace

void AddMoodycamel(Contenders& to) {
  to.push_back(std::make_unique<ContenderOf<MoodycamelPool<true>>>("moodycamel+tokens"));
  to.push_back(std::make_unique<ContenderOf<MoodycamelPool<false>>>("moodycamel"));
}

}  // namespace objpool::bench
