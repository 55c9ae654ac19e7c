// What the benchmark compares: pools of any make behind one interface, and the work they are given.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace objpool::bench {

// What threads do with the pool, over and over.
enum class Work : uint8_t {
  kSingles,  // pop `held` handles one by one, push them one by one
  kBatches,  // pop and push kBatchHandles at once; by singles where a pool knows no batch
  kTouch,    // as kSingles, and writes into the 64 bytes behind the handle
  kHandOff,  // the first thread pops, the second one pushes what the first hands it
};
inline constexpr uint32_t kBatchHandles = 32;

// What a figure counts, for each handle popped and pushed.
enum class Unit : uint8_t {
  kThreadTime,  // time that passed for each thread, less what it waited for a CPU
  kCpuTime,     // CPU time of all threads
  kWallTime,    // time that passed
};

struct Cell {
  std::string name;
  Work work = Work::kSingles;
  Unit unit = Unit::kThreadTime;
  uint32_t threads = 1;
  uint32_t held = 1;  // by each thread at once: 1, 8 or 64 for kSingles
  std::chrono::milliseconds duration{8};
};

// What a pool is made for.
struct Shape {
  uint32_t capacity;
  uint32_t threads;
  uint32_t held;  // by all threads at once
};

struct Sample {
  double ns = 0;            // by the cell's unit
  double failed_share = 0;  // of all pops
  double waited_share = 0;  // of the time, for a CPU that somebody else used
  std::string broken;       // how the handles were not all there afterwards; else empty
};

class Contender {
 public:
  explicit Contender(std::string name) : name_(std::move(name)) {}
  virtual ~Contender() = default;
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;

  // Makes a pool, runs the cell on threads pinned to `cpus` in turn, and drains the pool.
  [[nodiscard]] virtual Sample Run(const Cell& cell, uint32_t capacity,
                                   std::span<const uint32_t> cpus) const = 0;
  [[nodiscard]] virtual bool CanRun(const Cell& cell) const = 0;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
};

using Contenders = std::vector<std::unique_ptr<Contender>>;

// The label of the contender that ratios are relative to.
inline constexpr std::string_view kKernelName = "kernel objpool";

// One for each file of adapters.
void AddObjpool(Contenders& to);
void AddKernel(Contenders& to);
void AddSimple(Contenders& to);
void AddMoodycamel(Contenders& to);
void AddBoost(Contenders& to);
void AddTbb(Contenders& to);
// False where DPDK does not start. `cpu` is where its main thread counts as pinned.
[[nodiscard]] bool AddDpdk(Contenders& to, uint32_t cpu);

}  // namespace objpool::bench
