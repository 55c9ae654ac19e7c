// Fibers: the threads of a simulated process, all on one real one. Who goes on is drawn at each
// step (step.h), so a run is a function of its random numbers.
//
// A run that is stopped leaves its fibers where they are, for good: nothing is unwound, as nothing
// is when a process is killed. So what a fiber has on its stack must not own memory at a step.
// Where it does, as when a server starts, the schedule asks for unwinding: the destructors of all
// fibers then run, and steps in them are none.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tests/sim/random.h"

namespace objpool::sim {

class Fibers {
 public:
  static constexpr std::size_t kMost = 4;

  Fibers();
  ~Fibers();
  Fibers(const Fibers&) = delete;
  Fibers& operator=(const Fibers&) = delete;

  struct Schedule {
    uint32_t switch_one_in = 0;  // steps; 0: only where one cannot go on
    uint64_t stop_before = 0;    // which step is the first that is not taken; 0: none
    bool unwind = false;         // all of them, when it stops there
    // At some steps something else happens, on the fiber's stack.
    uint32_t aside_one_in = 0;
    std::function<void()> aside;
  };
  enum class End : uint8_t {
    kDone,
    kStopped,  // by the schedule
    kFailed,   // a check, see failure()
    kStuck,    // too many steps
  };
  // Runs the bodies, each on a fiber, until all are done or it ends otherwise.
  [[nodiscard]] End Run(std::span<const std::function<void()>> bodies, const Schedule& schedule,
                        Random& random);

  // Which body runs now. In a run only.
  [[nodiscard]] std::size_t running() const { return running_; }
  [[nodiscard]] bool in_run() const { return in_run_; }
  [[nodiscard]] uint64_t steps() const { return steps_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }

  // While one is, steps are not steps: the simulator looks.
  class Quiet {
   public:
    explicit Quiet(Fibers& fibers) : fibers_(fibers) { ++fibers_.quiet_; }
    ~Quiet() { --fibers_.quiet_; }
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;

   private:
    Fibers& fibers_;
  };

  void Step();
  void Yield();
  [[noreturn]] void Fail(std::string what);

 private:
  struct Fiber {
    ucontext_t context{};
    std::byte* stack = nullptr;
    void* sanitizer = nullptr;  // what the thread sanitizer knows it by
    bool done = true;
  };
  struct Killed {};
  static void Begin();
  void Prepare(Fiber& fiber);
  void SwitchTo(Fiber& fiber);
  void SwitchBack();
  void Pause();
  [[nodiscard]] std::size_t Draw();

  std::vector<Fiber> fibers_;
  ucontext_t main_{};
  void* main_sanitizer_ = nullptr;
  const void* main_stack_ = nullptr;
  std::size_t main_stack_bytes_ = 0;
  std::span<const std::function<void()>> bodies_;
  Schedule schedule_;
  Random* random_ = nullptr;
  std::size_t running_ = 0;
  uint64_t steps_ = 0;
  int quiet_ = 0;
  bool in_run_ = false;
  bool over_ = false;
  End end_ = End::kDone;
  std::string failure_;
};

// Those of the world that runs; step.h's functions go there. Null when none does.
extern Fibers* the_fibers;
// What EnableHeavyFence says.
extern bool the_heavy_fences;

}  // namespace objpool::sim
