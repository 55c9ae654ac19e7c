// What the simulated code does where others could see it: each is a step, before which the
// simulator may do something else first.
//
// Steps are taken in one order by one thread, so orders of memory mean nothing here: what weaker
// ones allow is for the models (tests/model).
#pragma once

#include <atomic>
#include <cstdint>

namespace objpool::sim {

// Before a step. Outside of fibers it does nothing. tests/sim/fibers.cc.
void Step();
// Lets others go on: the caller cannot.
void Yield();

// Told of each change of a 64-bit cell, after it: a record, perhaps.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void Changed(const void* cell) = 0;
};
inline Watcher* watcher = nullptr;

template <typename T>
class Atomic {
 public:
  Atomic() = default;
  explicit constexpr Atomic(T value) : value_(value) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  [[nodiscard]] T load(std::memory_order) const {
    Step();
    return value_;
  }
  void store(T value, std::memory_order) { (void)Set(value); }
  T exchange(T value, std::memory_order) { return Set(value); }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order, std::memory_order) {
    Step();
    if (value_ != expected) {
      expected = value_;
      return false;
    }
    value_ = desired;
    Tell();
    return true;
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) {
    return compare_exchange_strong(expected, desired, success, failure);
  }
  T fetch_add(T value, std::memory_order) {
    Step();
    const T before = value_;
    value_ = static_cast<T>(value_ + value);
    return before;
  }
  T fetch_sub(T value, std::memory_order order) {
    return fetch_add(static_cast<T>(T{} - value), order);
  }

 private:
  T Set(T value) {
    Step();
    const T before = value_;
    value_ = value;
    Tell();
    return before;
  }
  void Tell() const {
    if constexpr (sizeof(T) == sizeof(uint64_t)) {
      if (watcher != nullptr) watcher->Changed(this);
    }
  }

  T value_{};
};

class Mutex {
 public:
  void lock() {
    Step();
    while (held_) Yield();
    held_ = true;
  }
  [[nodiscard]] bool try_lock() {
    Step();
    if (held_) return false;
    held_ = true;
    return true;
  }
  void unlock() { held_ = false; }

 private:
  bool held_ = false;
};

}  // namespace objpool::sim
