// objpool::Pool: a slot for each thread, which attaches it.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "pool/base/check.h"
#include "pool/pool.h"
#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/run_cell.h"
#include "tests/support/fake_topology.h"

namespace objpool::bench {
namespace {

// With `kSlotLock` the engine of systems without heavy fences.
template <bool kSlotLock>
class Objpool {
 public:
  using Item = Handle;
  static constexpr Item kNone = kNoHandle;
  static std::string Name() {
    const Objpool any({.capacity = 1, .threads = 1, .held = 1});
    return std::string("objpool (") + any.pool_->engine() + ")";
  }
  static constexpr uint32_t kThreads = SlotMap::kMaxSlots;
  static constexpr bool kConserves = true;

  explicit Objpool(const Shape& shape) {
    std::string why;
    pool_ = Pool::Create({.capacity = shape.capacity,
                          .slots = testing::FlatSlots(shape.threads),
                          .slot_lock = kSlotLock},
                         why);
    OBJPOOL_CHECK(pool_ != nullptr, why.c_str());
  }

  class Worker {
   public:
    Worker(Objpool& pool, uint32_t thread) : pool_(*pool.pool_), slot_(thread) {
      pool_.Attach(slot_);
      local_.emplace(pool_.At(slot_));
    }

    Item Pop() { return local_->Pop(); }
    void Push(Item item) { local_->Push(item); }
    uint32_t PopBatch(Item* items, uint32_t count) {
      return pool_.PopBatch(slot_, {items, count}, 1);
    }
    void PushBatch(const Item* items, uint32_t count) { pool_.PushBatch(slot_, {items, count}); }
    void Fill(std::span<const uint32_t> share) { Reorder(*this, share.size(), kNone); }

   private:
    Pool& pool_;
    const SlotId slot_;
    std::optional<Pool::Local> local_;
  };

 private:
  std::unique_ptr<Pool> pool_;
};

}  // namespace

void AddObjpool(Contenders& to) {
  to.push_back(std::make_unique<ContenderOf<Objpool<false>>>(Objpool<false>::Name()));
  // The same where biased slots cannot be had.
  if (Objpool<true>::Name() != Objpool<false>::Name()) {
    to.push_back(std::make_unique<ContenderOf<Objpool<true>>>(Objpool<true>::Name()));
  }
}

}  // namespace objpool::bench
