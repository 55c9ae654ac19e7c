#include "tests/sim/fibers.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "pool/base/check.h"
#include "pool/sync.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace objpool::sim {

Fibers* the_fibers = nullptr;
bool the_heavy_fences = true;

namespace {

constexpr std::size_t kStackBytes = std::size_t{512} << 10;
// More than any round takes by far.
constexpr uint64_t kMostSteps = 2'000'000;

}  // namespace

void Step() {
  if (the_fibers != nullptr) the_fibers->Step();
}
void Yield() {
  if (the_fibers != nullptr) the_fibers->Yield();
}

Fibers::Fibers() : fibers_(kMost) {
  for (Fiber& fiber : fibers_) {
    void* const stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    OBJPOOL_CHECK(stack != MAP_FAILED, "there is room for four stacks");
    fiber.stack = static_cast<std::byte*>(stack);
#ifdef __SANITIZE_THREAD__
    fiber.sanitizer = __tsan_create_fiber(0);
#endif
  }
#ifdef __SANITIZE_THREAD__
  main_sanitizer_ = __tsan_get_current_fiber();
#endif
}

Fibers::~Fibers() {
  for (Fiber& fiber : fibers_) {
    munmap(fiber.stack, kStackBytes);
#ifdef __SANITIZE_THREAD__
    __tsan_destroy_fiber(fiber.sanitizer);
#endif
  }
}

// On a stack that may be one that was left in the midst of something.
void Fibers::Prepare(Fiber& fiber) {
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(fiber.stack, kStackBytes);
#endif
#ifdef __SANITIZE_THREAD__
  __tsan_destroy_fiber(fiber.sanitizer);
  fiber.sanitizer = __tsan_create_fiber(0);
#endif
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, &Fibers::Begin, 0);
  fiber.done = false;
}

void Fibers::Begin() {
  Fibers& fibers = *the_fibers;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &fibers.main_stack_, &fibers.main_stack_bytes_);
#endif
  try {
    if (!fibers.over_) fibers.bodies_[fibers.running_]();
  } catch (const Killed&) {
  }
  fibers.fibers_[fibers.running_].done = true;
  fibers.SwitchBack();
}

void Fibers::SwitchTo(Fiber& fiber) {
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, fiber.stack, kStackBytes);
#endif
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(fiber.sanitizer, 0);
#endif
  swapcontext(&main_, &fiber.context);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void Fibers::SwitchBack() {
  Fiber& fiber = fibers_[running_];
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, main_stack_, main_stack_bytes_);
#endif
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(main_sanitizer_, 0);
#endif
  swapcontext(&fiber.context, &main_);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake, &main_stack_, &main_stack_bytes_);
#endif
}

// One of those that are not done; bodies_.size() when all are.
std::size_t Fibers::Draw() {
  std::size_t left = 0;
  for (std::size_t i = 0; i < bodies_.size(); ++i) left += fibers_[i].done ? 0u : 1u;
  if (left == 0) return bodies_.size();
  std::size_t nth = random_->Below(left);
  for (std::size_t i = 0;; ++i) {
    if (!fibers_[i].done && nth-- == 0) return i;
  }
}

Fibers::End Fibers::Run(std::span<const std::function<void()>> bodies, const Schedule& schedule,
                        Random& random) {
  OBJPOOL_CHECK(bodies.size() <= kMost, "a world has few workers");
  bodies_ = bodies;
  schedule_ = schedule;
  random_ = &random;
  steps_ = 0;
  over_ = false;
  end_ = End::kDone;
  for (std::size_t i = 0; i < bodies.size(); ++i) Prepare(fibers_[i]);
  in_run_ = true;
  while (!over_ && (running_ = Draw()) != bodies.size()) SwitchTo(fibers_[running_]);
  if (schedule_.unwind && end_ != End::kFailed) {
    // The others too: each is in the midst of a step.
    for (running_ = 0; running_ < bodies.size(); ++running_) {
      if (!fibers_[running_].done) SwitchTo(fibers_[running_]);
    }
  }
  in_run_ = false;
  quiet_ = 0;
  for (Fiber& fiber : fibers_) fiber.done = true;
  return end_;
}

void Fibers::Step() {
  if (!in_run_ || quiet_ != 0 || over_) return;
  ++steps_;
  if (steps_ == schedule_.stop_before || steps_ >= kMostSteps) {
    over_ = true;
    end_ = steps_ == schedule_.stop_before ? End::kStopped : End::kStuck;
    if (schedule_.unwind) throw Killed{};
    SwitchBack();  // for good
  }
  if (random_->OneIn(schedule_.aside_one_in)) {
    const Quiet quiet(*this);
    schedule_.aside();
  }
  if (random_->OneIn(schedule_.switch_one_in)) Pause();
}

// Lets others run. Does not come back where all was stopped meanwhile.
void Fibers::Pause() {
  SwitchBack();
  if (over_) throw Killed{};
}

void Fibers::Yield() {
  if (!in_run_ || quiet_ != 0 || over_) return;
  Step();
  if (!over_) Pause();
}

void Fibers::Fail(std::string what) {
  if (!in_run_) {
    std::fprintf(stderr, "%s\n", what.c_str());
    std::abort();
  }
  failure_ = std::move(what);
  over_ = true;
  end_ = End::kFailed;
  SwitchBack();
  std::abort();  // nobody comes back
}

}  // namespace objpool::sim

namespace objpool {

bool EnableHeavyFence() noexcept { return sim::the_heavy_fences; }
unsigned ForkGeneration() noexcept { return 0; }

namespace base {

void CheckFailed(const char* file, int line, const char* condition, const char* why) {
  const std::string what =
      std::string(file) + ":" + std::to_string(line) + ": check failed: " + condition + ": " + why;
  if (sim::the_fibers != nullptr) sim::the_fibers->Fail(what);
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

}  // namespace base
}  // namespace objpool
