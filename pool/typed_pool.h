// TypedPool<T>: a Pool whose handles are objects, prepared in advance and used over and over.
//
// Life of an object: its memory is zeroed and it is value-initialized and shown to `init`, once,
// when its slot is attached; from then on the pool never looks inside it, so a user finds what the
// last user left. It is destroyed when the whole pool is released.
//
// Life of the pool (after the Linux kernel's objpool): it counts one reference for itself and one
// for each object. Fini takes the free objects out and gives up the pool's own reference; each
// object that is still in use is later given up by Drop. Whoever gives up the last reference
// releases: `release` is called, once, and the memory goes. Free releases by force.
//
// Threads: as Pool for Attach, Pop and Push. Drop by any thread. Fini and Free by one thread while
// no Push or Pop is under way.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "pool/base/check.h"
#include "pool/object_memory.h"
#include "pool/pool.h"

namespace objpool {

template <typename T>
class TypedPool {
  static_assert(sizeof(T) <= ObjectMemory::kMaxSizeBytes);

 public:
  struct Options {
    uint32_t capacity = 0;  // 1 .. kMaxCapacity
    std::shared_ptr<const SlotMap> slots;
    // Prepares an object; false refuses it, and with it the slot. Default: nothing to do. Called by
    // the thread that attaches the slot.
    std::function<bool(T& object, Handle handle)> init;
    // Called once, when the last reference is gone, while the objects still exist.
    std::function<void()> release;
  };

  [[nodiscard]] static std::unique_ptr<TypedPool> Create(Options options, std::string& why);
  // Frees by force what was not released.
  ~TypedPool() { Free(); }
  TypedPool(const TypedPool&) = delete;
  TypedPool& operator=(const TypedPool&) = delete;

  // Prepares the slot's share of objects and puts them into it; once for each slot, by its pinned
  // owner. False when memory runs out or `init` refuses: then the pool is of no more use than to be
  // freed.
  [[nodiscard]] bool Attach(SlotId slot);
  [[nodiscard]] bool AttachAll();

  // Null when every object is in use.
  [[nodiscard]] T* Pop(SlotId slot);
  void Push(SlotId slot, T* object) { pool_->Push(slot, HandleOf(object)); }

  // Gives up the pool's own reference and those of the free objects. True when that released the
  // pool. At most once.
  bool Fini();
  // Gives up an object that was popped and will not be pushed. True when that released the pool.
  bool Drop(T* object);
  // Releases now, whoever still uses an object. Nothing when it is released already.
  void Free();

  [[nodiscard]] bool released() const { return memory_ == nullptr; }
  [[nodiscard]] Handle HandleOf(const T* object) const;
  [[nodiscard]] const Pool& pool() const { return *pool_; }

 private:
  TypedPool(Options options, std::unique_ptr<Pool> pool, std::unique_ptr<ObjectMemory> memory)
      : options_(std::move(options)),
        pool_(std::move(pool)),
        memory_(std::move(memory)),
        live_(new std::atomic<uint32_t>[options_.slots->slots()]()),
        references_(options_.capacity + 1) {}

  [[nodiscard]] T* at(Handle handle) const {
    return std::launder(reinterpret_cast<T*>(memory_->at(handle)));
  }
  bool Unreference(uint32_t count);

  Options options_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<ObjectMemory> memory_;           // null once released
  std::unique_ptr<std::atomic<uint32_t>[]> live_;  // objects built in each slot's share
  // R1  every Unreference releases what its caller did   pairs with   A1  the last one, before it
  //     destroys the objects
  std::atomic<uint32_t> references_;
};

template <typename T>
std::unique_ptr<TypedPool<T>> TypedPool<T>::Create(Options options, std::string& why) {
  auto pool = Pool::Create(
      {.capacity = options.capacity, .slots = options.slots, .return_home = true}, why);
  if (pool == nullptr) return nullptr;
  auto memory = ObjectMemory::Create({.capacity = options.capacity,
                                      .size_bytes = sizeof(T),
                                      .alignment = std::max(alignof(T), std::size_t{64}),
                                      .slots = options.slots},
                                     why);
  if (memory == nullptr) return nullptr;
  return std::unique_ptr<TypedPool>(
      new TypedPool(std::move(options), std::move(pool), std::move(memory)));
}

template <typename T>
bool TypedPool<T>::Attach(SlotId slot) {
  if (!memory_->Attach(slot)) return false;
  const auto [first, last] = ShareOf(options_.capacity, options_.slots->slots(), slot);
  for (Handle handle = first; handle < last; ++handle) {
    T* const object = new (memory_->at(handle)) T();
    live_[slot].fetch_add(1, std::memory_order_relaxed);
    if (options_.init && !options_.init(*object, handle)) return false;
  }
  pool_->Attach(slot);
  return true;
}

template <typename T>
bool TypedPool<T>::AttachAll() {
  for (SlotId s = 0; s < options_.slots->slots(); ++s) {
    if (!Attach(s)) return false;
  }
  return true;
}

template <typename T>
T* TypedPool<T>::Pop(SlotId slot) {
  const Handle handle = pool_->Pop(slot);
  return handle == kNoHandle ? nullptr : at(handle);
}

template <typename T>
Handle TypedPool<T>::HandleOf(const T* object) const {
  return memory_->HandleOf(reinterpret_cast<const std::byte*>(object));
}

template <typename T>
bool TypedPool<T>::Fini() {
  // Objects of slots that were never attached have nobody to drop them.
  uint32_t attached = 0;
  for (SlotId s = 0; s < options_.slots->slots(); ++s) {
    attached += live_[s].load(std::memory_order_relaxed);
  }
  return Unreference(1 + pool_->Drain() + (options_.capacity - attached));
}

template <typename T>
bool TypedPool<T>::Drop(T* object) {
  (void)HandleOf(object);
  return Unreference(1);
}

template <typename T>
bool TypedPool<T>::Unreference(uint32_t count) {
  const uint32_t before = references_.fetch_sub(count, std::memory_order_acq_rel);  // R1, A1
  OBJPOOL_CHECK(before >= count, "a reference is given up once");
  if (before != count) return false;
  Free();
  return true;
}

template <typename T>
void TypedPool<T>::Free() {
  if (released()) return;
  if (options_.release) options_.release();
  for (SlotId s = 0; s < options_.slots->slots(); ++s) {
    const Handle first = ShareOf(options_.capacity, options_.slots->slots(), s).first;
    const uint32_t count = live_[s].load(std::memory_order_relaxed);
    for (Handle handle = first; handle < first + count; ++handle) std::destroy_at(at(handle));
  }
  memory_.reset();
}

}  // namespace objpool
