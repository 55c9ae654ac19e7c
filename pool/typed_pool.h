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
// Pop and Push are the bare way; Borrow gives an object that goes back by itself.
//
// Threads: as Pool for Attach, Pop, Push and Borrow. Drop by any thread. Fini and Free by one
// thread while no Push, Pop or Borrow is under way.
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
  // Not after Fini: what is still in use then is dropped.
  void Push(SlotId slot, T* object);

  // An object in use, which gives itself back; below.
  class Borrowed;
  // Empty when every object is in use.
  [[nodiscard]] Borrowed Borrow(SlotId slot) { return Borrowed(*this, slot, Pop(slot)); }

  // Gives up the pool's own reference and those of the free objects. True when that released the
  // pool. Once.
  bool Fini();
  // Gives up an object that was popped and will not be pushed. True when that released the pool.
  // Dropping one twice, or one that is free, is caught in the checked build.
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
        references_(options_.capacity + 1) {
    if (kObjpoolChecked) in_use_ = std::make_unique<std::atomic<bool>[]>(options_.capacity);
  }

  [[nodiscard]] T* at(Handle handle) const {
    return std::launder(reinterpret_cast<T*>(memory_->at(handle)));
  }
  bool Unreference(uint32_t count);
  void GiveBack(SlotId slot, T* object);
  void CheckUse(Handle handle, bool begins);

  Options options_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<ObjectMemory> memory_;           // null once released
  std::unique_ptr<std::atomic<uint32_t>[]> live_;  // objects built in each slot's share
  // R1  every Unreference releases what its caller did   pairs with   A1  the last one, before it
  //     destroys the objects
  std::atomic<uint32_t> references_;
  std::atomic<bool> finished_{false};            // Fini or Free was called
  std::unique_ptr<std::atomic<bool>[]> in_use_;  // the checked build's memory of who is
};

// An object in use. When it is destroyed, or another is assigned to it, it pushes the object to the
// slot that it was popped from, so it stays with the owner of that slot; after Fini it drops it, in
// any thread. Empty when the pool was, when moved from, and after release and Drop. The pool
// outlives it.
template <typename T>
class TypedPool<T>::Borrowed {
 public:
  Borrowed() = default;
  Borrowed(Borrowed&& other) noexcept
      : pool_(other.pool_), slot_(other.slot_), object_(other.release()) {}
  Borrowed& operator=(Borrowed other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(slot_, other.slot_);
    std::swap(object_, other.object_);
    return *this;
  }
  ~Borrowed() {
    if (object_ != nullptr) pool_->GiveBack(slot_, object_);
  }

  explicit operator bool() const { return object_ != nullptr; }
  [[nodiscard]] T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

  // Hands the object over, to whoever pushes it to a slot of theirs or drops it.
  [[nodiscard]] T* release() { return std::exchange(object_, nullptr); }
  // As TypedPool::Drop. Not of an empty one.
  bool Drop() { return pool_->Drop(release()); }

 private:
  friend TypedPool;
  Borrowed(TypedPool& pool, SlotId slot, T* object) : pool_(&pool), slot_(slot), object_(object) {}

  TypedPool* pool_ = nullptr;
  SlotId slot_ = 0;
  T* object_ = nullptr;
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
  OBJPOOL_CHECK(!finished_.load(std::memory_order_relaxed), "no slot is attached after Fini");
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
  if (handle == kNoHandle) return nullptr;
  CheckUse(handle, true);
  return at(handle);
}

template <typename T>
void TypedPool<T>::Push(SlotId slot, T* object) {
  OBJPOOL_CHECK(!finished_.load(std::memory_order_relaxed), "after Fini an object is dropped");
  const Handle handle = HandleOf(object);
  CheckUse(handle, false);
  pool_->Push(slot, handle);
}

template <typename T>
void TypedPool<T>::GiveBack(SlotId slot, T* object) {
  if (!finished_.load(std::memory_order_relaxed)) {
    Push(slot, object);
  } else if (!released()) {  // released already: by force, and the object is gone
    Drop(object);
  }
}

template <typename T>
void TypedPool<T>::CheckUse(Handle handle, bool begins) {
  if constexpr (kObjpoolChecked) {
    OBJPOOL_CHECK(in_use_[handle].exchange(begins) != begins,
                  "an object is pushed or dropped once, after it was popped");
  }
}

template <typename T>
Handle TypedPool<T>::HandleOf(const T* object) const {
  return memory_->HandleOf(reinterpret_cast<const std::byte*>(object));
}

template <typename T>
bool TypedPool<T>::Fini() {
  OBJPOOL_CHECK(!finished_.exchange(true, std::memory_order_relaxed), "a pool is finished once");
  // Objects of slots that were never attached have nobody to drop them.
  uint32_t attached = 0;
  for (SlotId s = 0; s < options_.slots->slots(); ++s) {
    attached += live_[s].load(std::memory_order_relaxed);
  }
  return Unreference(1 + pool_->Drain() + (options_.capacity - attached));
}

template <typename T>
bool TypedPool<T>::Drop(T* object) {
  OBJPOOL_CHECK(!released(), "an object is dropped before its pool is released");
  CheckUse(HandleOf(object), false);
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
  finished_.store(true, std::memory_order_relaxed);
  if (options_.release) options_.release();
  for (SlotId s = 0; s < options_.slots->slots(); ++s) {
    const Handle first = ShareOf(options_.capacity, options_.slots->slots(), s).first;
    const uint32_t count = live_[s].load(std::memory_order_relaxed);
    for (Handle handle = first; handle < first + count; ++handle) std::destroy_at(at(handle));
  }
  memory_.reset();
}

}  // namespace objpool
