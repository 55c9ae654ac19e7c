#include "server/lease/free_handles.h"

#include <algorithm>
#include <bit>
#include <mutex>

namespace objpool::lease {
namespace {

// Visits the classes of a mask in order, until `visit` returns true.
template <typename Visit>
void VisitClasses(ClassMask classes, Visit visit) {
  for (ClassMask left = classes; left != 0; left &= left - 1) {
    if (visit(static_cast<ClassId>(std::countr_zero(left)))) return;
  }
}

}  // namespace

std::unique_ptr<FreeHandles> FreeHandles::Create(const Pool::Options& options,
                                                 const HandleClasses& classes, std::string& why) {
  std::unique_ptr<FreeHandles> made(new FreeHandles(classes, options.slots->slots()));
  for (ClassId id = 0; id < classes.count(); ++id) {
    Pool::Options of_class = options;
    of_class.members = classes.RangesOf(id);
    auto pool = Pool::Create(of_class, why);
    if (pool == nullptr) return nullptr;
    made->pools_.push_back(std::move(pool));
  }
  if (classes.count() == 1) made->only_ = made->pools_[0].get();
  made->capacity_ = options.capacity;
  made->has_heavy_fences_ = made->pools_[0]->has_heavy_fences();
  made->one_node_ = options.slots->nodes().size() == 1;
  return made;
}

void FreeHandles::Attach(SlotId slot, const Pool::IsFree& is_free) {
  for (const auto& pool : pools_) pool->Attach(slot, is_free);
}

void FreeHandles::Adopt(SlotId slot) {
  for (const auto& pool : pools_) pool->Adopt(slot);
}

void FreeHandles::PushBatch(SlotId slot, std::span<const Handle> handles) {
  if (only_ != nullptr) [[likely]] {
    only_->PushBatch(slot, handles);
    return;
  }
  for (const Handle handle : handles) pools_[classes_.ClassOf(handle)]->Push(slot, handle);
}

// While it lives, its maker has handles that it may give back: others who find none wait for that,
// by beginning one too.
class FreeHandles::Hold {
 public:
  explicit Hold(FreeHandles& of) : of_(of), lock_(of.batch_lock_, std::defer_lock) {}
  void Begin() {
    if (lock_.owns_lock()) return;
    lock_.lock();
    of_.holding_.fetch_add(1, std::memory_order_acq_rel);
  }
  ~Hold() {
    if (lock_.owns_lock()) of_.holding_.fetch_sub(1, std::memory_order_release);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  // Whether somebody else has some.
  [[nodiscard]] bool others() const {
    return of_.holding_.load(std::memory_order_acquire) != (lock_.owns_lock() ? 1 : 0);
  }

 private:
  FreeHandles& of_;
  std::unique_lock<Sync::Mutex> lock_;
};

// Takes what is at hand, of the node only where one is named.
uint32_t FreeHandles::Gather(SlotId slot, std::span<Handle> out, ClassMask classes,
                             uint32_t near_node) {
  uint32_t taken = 0;
  VisitClasses(classes, [&](ClassId id) {
    const auto rest = out.subspan(taken);
    if (rest.empty()) return true;
    taken += near_node == kAnyNode ? pools_[id]->PopBatch(slot, rest, 1)
                                   : pools_[id]->PopBatchOfNode(slot, near_node, rest);
    return false;
  });
  return taken;
}

// How many came into the classes: counted before the Push that brought them is over.
uint64_t FreeHandles::Pushes(ClassMask classes) const {
  uint64_t sum = 0;
  VisitClasses(classes, [&](ClassId id) {
    for (SlotId slot = 0; slot < slots().slots(); ++slot) sum += pools_[id]->Stats(slot).pushes;
    return false;
  });
  return sum;
}

// First what is near, and the rest from anywhere; then, where that is not enough, as often as
// something moves meanwhile.
uint32_t FreeHandles::PopOfMany(SlotId slot, std::span<Handle> out, uint32_t min_count,
                                ClassMask classes, uint32_t near_node) {
  classes &= classes_.all();
  if (classes == 0) return 0;
  Hold hold(*this);
  if (min_count > 1) hold.Begin();
  uint32_t taken = near_node == kAnyNode ? 0 : Gather(slot, out, classes, near_node);
  taken += Gather(slot, out.subspan(taken), classes, kAnyNode);
  if (taken >= min_count) return taken;
  for (unsigned round = 0;; ++round) {
    bool moving = hold.others();
    const uint64_t before = Pushes(classes);
    taken += Gather(slot, out.subspan(taken), classes, kAnyNode);
    if (taken >= min_count) return taken;
    moving |= hold.others();
    if (!moving && Pushes(classes) == before) break;
    if (moving) hold.Begin();
    Sync::Pause(round * 16);
  }
  PushBatch(slot, out.first(taken));
  misses_[slot].count.Add();
  return 0;
}

SlotStats FreeHandles::Stats(SlotId slot) const {
  SlotStats sum = pools_[0]->Stats(slot);
  for (std::size_t id = 1; id < pools_.size(); ++id) sum += pools_[id]->Stats(slot);
  if (only_ == nullptr || !one_node_) sum.misses = misses_[slot].count.value();
  return sum;
}

uint64_t FreeHandles::free() const {
  uint64_t sum = 0;
  for (const auto& pool : pools_) sum += pool->free();
  return sum;
}

}  // namespace objpool::lease
