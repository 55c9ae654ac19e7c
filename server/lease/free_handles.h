// FreeHandles: the free handles of a pool: a Pool for each class of them (HandleClasses), which
// together answer as one.
//
// With one class, as most pools have, it is that Pool. With more, a Pop takes from its classes in
// order, and its "none" is as true as a Pool's: it is said when all classes were found empty in
// turn and nothing was pushed meanwhile. Those who need more than one handle decide one at a time,
// so that no two of them have what the other needs; and nobody says "none" while such a one has
// handles that it may give back.
//
// Threads: as Pool's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pool/base/cache_line.h"
#include "pool/base/counter.h"
#include "pool/pool.h"
#include "pool/sync.h"
#include "server/lease/handle_classes.h"

namespace objpool::lease {

// Any NUMA node.
inline constexpr uint32_t kAnyNode = UINT32_MAX;

class FreeHandles {
 public:
  // `options` are those of a pool that is one. Null, with `why`, as Pool::Create.
  [[nodiscard]] static std::unique_ptr<FreeHandles> Create(const Pool::Options& options,
                                                           const HandleClasses& classes,
                                                           std::string& why);

  // See Pool.
  void Attach(SlotId slot, const Pool::IsFree& is_free);
  void Adopt(SlotId slot);
  [[nodiscard]] uint32_t PopBatch(SlotId slot, std::span<Handle> out, uint32_t min_count,
                                  ClassMask classes = kAllClasses, uint32_t near_node = kAnyNode) {
    if (only_ != nullptr && near_node == kAnyNode) [[likely]] {
      const uint32_t taken = only_->PopBatch(slot, out, min_count);
      if (taken != 0 || one_node_) [[likely]] {
        return taken;
      }
    }
    return PopOfMany(slot, out, min_count, classes, near_node);
  }
  void Push(SlotId slot, Handle handle) { PushBatch(slot, {&handle, 1}); }
  void PushBatch(SlotId slot, std::span<const Handle> handles);

  [[nodiscard]] uint32_t capacity() const { return capacity_; }
  [[nodiscard]] const SlotMap& slots() const { return pools_[0]->slots(); }
  [[nodiscard]] const char* engine() const { return pools_[0]->engine(); }
  [[nodiscard]] bool has_heavy_fences() const { return has_heavy_fences_; }
  [[nodiscard]] SlotStats Stats(SlotId slot) const;
  [[nodiscard]] uint64_t free() const;
  [[nodiscard]] const HandleClasses& classes() const { return classes_; }

 private:
  class Hold;
  FreeHandles(const HandleClasses& classes, uint32_t slots) : classes_(classes), misses_(slots) {}
  [[nodiscard]] uint32_t PopOfMany(SlotId slot, std::span<Handle> out, uint32_t min_count,
                                   ClassMask classes, uint32_t near_node);
  uint32_t Gather(SlotId slot, std::span<Handle> out, ClassMask classes, uint32_t near_node);
  [[nodiscard]] uint64_t Pushes(ClassMask classes) const;

  const HandleClasses classes_;
  std::vector<std::unique_ptr<Pool>> pools_;  // by class
  Pool* only_ = nullptr;                      // where there is one
  bool one_node_ = true;
  // Pops that found too few in all their classes, by slot: what each Pool misses is not told.
  struct alignas(base::kCacheLineBytes) Misses {
    base::Counter count;
  };
  std::vector<Misses> misses_;
  // As all of them have.
  uint32_t capacity_ = 0;
  bool has_heavy_fences_ = false;
  Sync::Mutex batch_lock_;
  Sync::Atomic<uint32_t> holding_{0};  // see Hold
};

}  // namespace objpool::lease
