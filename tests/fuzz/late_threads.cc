#include "tests/fuzz/late_threads.h"

#include <pthread.h>
#include <time.h>

#include <cstring>
#include <map>
#include <memory>
#include <thread>
#include <utility>

// std::thread as the linker knows it: _M_start_thread, which its constructor calls, and join.
#define START _ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE
#define JOIN _ZNSt6thread4joinEv
#define NAME(prefix, symbol) NAME_OF(prefix, symbol)
#define NAME_OF(prefix, symbol) prefix##symbol

using State = std::unique_ptr<std::thread::_State>;

extern "C" {
void NAME(__real_, START)(std::thread* thread, State state, void (*depend)());
void NAME(__real_, JOIN)(std::thread* thread);
int __real_pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  clockid_t clock, const timespec* until);
}

namespace objpool::fuzz {
namespace {

// By what stands in the std::thread for the id of a thread, which moves with it.
struct Late {
  State state;
  std::unique_ptr<std::thread> begun;
};
std::map<pthread_t, Late>& late() {
  static auto* const all = new std::map<pthread_t, Late>;
  return *all;
}

bool hold = false;

static_assert(sizeof(std::thread) == sizeof(pthread_t));

}  // namespace

void HoldThreads() { hold = true; }

void BeginThreads() {
  for (auto& [id, one] : late()) {
    if (one.begun != nullptr) continue;
    one.begun = std::make_unique<std::thread>();
    NAME(__real_, START)(one.begun.get(), std::move(one.state), nullptr);
  }
}

}  // namespace objpool::fuzz

using objpool::fuzz::hold;
using objpool::fuzz::late;

extern "C" {

void NAME(__wrap_, START)(std::thread* thread, State state, void (*depend)()) {
  if (!hold) return NAME(__real_, START)(thread, std::move(state), depend);
  static pthread_t next = 0;  // no thread has such a small one
  ++next;
  std::memcpy(static_cast<void*>(thread), &next, sizeof(next));
  late()[next].state = std::move(state);
}

void NAME(__wrap_, JOIN)(std::thread* thread) {
  pthread_t id = 0;
  std::memcpy(&id, static_cast<const void*>(thread), sizeof(id));
  const auto found = late().find(id);
  if (found == late().end()) return NAME(__real_, JOIN)(thread);
  if (found->second.begun != nullptr) NAME(__real_, JOIN)(found->second.begun.get());
  late().erase(found);
  id = 0;
  std::memcpy(static_cast<void*>(thread), &id, sizeof(id));
}

int __wrap_pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  clockid_t clock, const timespec* until) {
  constexpr long kMomentNs = 50'000;
  constexpr long kSecondNs = 1'000'000'000;
  timespec soon{};
  (void)clock_gettime(clock, &soon);
  soon.tv_nsec += kMomentNs;
  soon.tv_sec += soon.tv_nsec / kSecondNs;
  soon.tv_nsec %= kSecondNs;
  const bool sooner = soon.tv_sec < until->tv_sec ||
                      (soon.tv_sec == until->tv_sec && soon.tv_nsec < until->tv_nsec);
  const int result = __real_pthread_cond_clockwait(condition, mutex, clock, sooner ? &soon : until);
  // Of a wait that goes on nobody is told that its time is over.
  return sooner ? 0 : result;
}

}  // extern "C"
