#include "pool/sync.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/base/check.h"

namespace objpool {
namespace {

constexpr unsigned kSpins = 64;

std::atomic<unsigned> fork_generation{0};

long Membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0); }

bool Register() {
  const long commands = Membarrier(MEMBARRIER_CMD_QUERY);
  return commands > 0 && (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
         Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

}  // namespace

void Sync::HeavyFence() noexcept {
  OBJPOOL_CHECK(Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0,
                "the kernel keeps what it promised when this process registered");
}

void Sync::Pause(unsigned tries) noexcept {
  if (tries >= kSpins) {
    sched_yield();
    return;
  }
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

bool EnableHeavyFence() noexcept {
  static const bool kEnabled = Register();
  return kEnabled;
}

unsigned ForkGeneration() noexcept {
  static const int kInstalled = pthread_atfork(
      nullptr, nullptr, [] { fork_generation.fetch_add(1, std::memory_order_relaxed); });
  OBJPOOL_CHECK(kInstalled == 0, "there is memory for a fork handler");
  return fork_generation.load(std::memory_order_relaxed);
}

}  // namespace objpool
