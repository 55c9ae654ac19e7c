// Model Syncs: Relacy's atomics, variables and fences in the place of those of pool/sync.h.
//
// The headers of the pool are compiled as they ship. Relacy's macros stay in here: it wants to be
// told where an access is written, and finds that out by std::source_location.
//
// There are two, because what the kernel does is not part of C++:
//   FencedSync      light and heavy fence are both sequentially consistent fences. membarrier(2)
//                   puts a full barrier into each running thread, somewhere between its begin and
//                   its end. That point is before or behind a given light fence of that thread. If
//                   before, all that the thief did ahead of its heavy fence is seen behind the
//                   light fence. If behind, all that the owner did ahead of the light fence is seen
//                   by the thief. That is what two such fences promise each other. It is sound as
//                   long as nothing rests on two light fences: only the owner of a slot has them,
//                   and so no two threads.
//   MembarrierSync  the light fence is nothing, the heavy one makes all threads know of all that
//                   was done, at that moment: the owner has no fence of its own. Relacy does the
//                   accesses of a thread in their order, as the light fence makes the compiler do.
#pragma once

#include <relacy/relacy.hpp>
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno
#undef VAR
#undef $

#include <atomic>
#include <cstdint>
#include <source_location>

namespace objpool::model {

using Where = std::source_location;

inline rl::debug_info Info(const Where& where) {
  return {where.function_name(), where.file_name(), where.line()};
}

inline rl::memory_order Order(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed:
      return rl::mo_relaxed;
    case std::memory_order_consume:
      return rl::mo_consume;
    case std::memory_order_acquire:
      return rl::mo_acquire;
    case std::memory_order_release:
      return rl::mo_release;
    case std::memory_order_acq_rel:
      return rl::mo_acq_rel;
    case std::memory_order_seq_cst:
      return rl::mo_seq_cst;
  }
  return rl::mo_seq_cst;
}

template <typename T>
class ModelAtomic {
 public:
  explicit(false) ModelAtomic(T value) : value_(value) {}

  T load(std::memory_order order, const Where& where = Where::current()) const {
    return value_.load(Order(order), Info(where));
  }
  void store(T value, std::memory_order order, const Where& where = Where::current()) {
    value_.store(value, Order(order), Info(where));
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure, const Where& where = Where::current()) {
    return value_.compare_exchange_weak(expected, desired, Order(success), Info(where),
                                        Order(failure), Info(where));
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order failure, const Where& where = Where::current()) {
    return value_.compare_exchange_strong(expected, desired, Order(success), Info(where),
                                          Order(failure), Info(where));
  }
  T fetch_add(T value, std::memory_order order, const Where& where = Where::current()) {
    return value_.fetch_add(value, Order(order), Info(where));
  }
  T fetch_sub(T value, std::memory_order order, const Where& where = Where::current()) {
    return value_.fetch_sub(value, Order(order), Info(where));
  }

 private:
  rl::atomic<T> value_;
};

// A variable that Relacy watches for data races, and for reads before the first write.
template <typename T>
class ModelPlain {
 public:
  ModelPlain() = default;
  explicit(false) ModelPlain(T value) : value_(value) {}
  ModelPlain(const ModelPlain& other) : value_(static_cast<T>(other)) {}
  ModelPlain& operator=(const ModelPlain& other) { return *this = static_cast<T>(other); }
  ModelPlain& operator=(T value) {
    value_(Info(Where::current())).store(value);
    return *this;
  }
  explicit(false) operator T() const { return value_(Info(Where::current())).load(); }
  T operator++() { return *this = static_cast<T>(*this) + 1; }
  T operator--() { return *this = static_cast<T>(*this) - 1; }

 private:
  rl::var<T> value_;
};

struct FencedSync {
  template <typename T>
  using Atomic = ModelAtomic<T>;
  template <typename T>
  using Plain = ModelPlain<T>;

  static void LightFence() { Fence(); }
  static void HeavyFence() { Fence(); }
  // Every wait of the pool's headers has a bound, so that nobody has to step aside for the model
  // to go on.
  static void Pause(unsigned) {}

 private:
  static void Fence() { rl::atomic_thread_fence(rl::mo_seq_cst, Info(Where::current())); }
};

struct MembarrierSync : FencedSync {
  static void LightFence() {}
  static void HeavyFence() {
    rl::ctx().sched();  // others may run before it
    rl::systemwide_fence(Info(Where::current()));
  }
};

// Runs one model; false where it fails, with the history of the run that did. Not rl::simulate,
// which compiles every test with every scheduler.
template <typename Test, template <rl::thread_id_t> typename Scheduler>
bool Check(const char* name, rl::test_params params) {
  using ThisScheduler = Scheduler<Test::params::thread_count>;
  std::ostream nowhere(nullptr);
  params.progress_stream = &nowhere;
  params.execution_depth_limit = 4000;
  rl::ostringstream state;
  if (rl::run_test<Test, ThisScheduler>(params, state, false) == rl::test_result_success) {
    std::cout << name << ": " << params.stop_iteration << " runs\n";
    return true;
  }
  std::cout << name << " fails\n";
  params.initial_state = state.str();
  params.collect_history = true;
  rl::ostringstream again;
  static_cast<void>(rl::run_test<Test, ThisScheduler>(params, again, true));
  return false;
}

template <typename Test>
bool CheckRandom(const char* name, unsigned runs) {
  rl::test_params params;
  params.search_type = rl::random_scheduler_type;
  params.iteration_count = runs;
  return Check<Test, rl::random_scheduler>(name, params);
}

// Every run with at most `switches` of threads that could have gone on.
template <typename Test>
bool CheckAll(const char* name, unsigned switches) {
  rl::test_params params;
  params.search_type = rl::fair_context_bound_scheduler_type;
  params.context_bound = switches;
  return Check<Test, rl::context_bound_scheduler>(name, params);
}

}  // namespace objpool::model
