// OpenCycles: the cycles of an OpenLoop: lease, hold with renewals, return. Internal to it.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "client/load/open_loop.h"
#include "client/load/open_wires.h"

namespace objpool::load {

// Of the clock of OpenWires.
struct OpenLoopTimes {
  uint64_t begin_ns = 0;
  uint64_t measure_from_ns = 0;
  uint64_t measure_to_ns = 0;
};

class OpenCycles final : public OpenWires::Owner {
 public:
  // All must outlive it.
  OpenCycles(const OpenLoopOptions& options, OpenLoopResult& result, OpenWires& wires,
             const OpenLoopTimes& times);

  // One that was meant to begin then.
  void Begin(uint64_t due_ns);
  // One of those that hold was meant to be renewed then, or returned, by chance.
  void RenewOne(uint64_t due_ns);
  void ReturnOne(uint64_t due_ns);
  void DoWhatIsDue();
  // When that is to be called again; UINT64_MAX: not before an answer came.
  [[nodiscard]] uint64_t next_ns() const;
  // All that is held is returned now.
  void GiveAllBack();
  // Whoever leased over this connection is gone, with what it held.
  void Crash(uint32_t wire);
  [[nodiscard]] bool idle() const { return free_.size() == cycles_.size(); }
  // What the last second saw, without its quantiles, and the times of its leases; the next one
  // begins.
  [[nodiscard]] OpenLoopSecond TakeSecond(std::unique_ptr<base::LogHistogram>& lease_ns);

  OpenWires::Method Prepare(uint32_t number, std::string& message) override;
  void OnAnswer(uint32_t number, uint32_t wire, uint32_t status, std::string& reply) override;
  void OnLost(uint32_t number, OpenWires::Breaker breaker) override;

 private:
  static constexpr std::size_t kNowhere = SIZE_MAX;
  enum class Step : uint8_t { kLease, kRenew, kForged, kReturn, kRepeated, kGone };
  struct Cycle {
    Step step = Step::kLease;
    uint64_t due_ns = 0;  // when the next request is meant to leave
    uint64_t sent_ns = 0;
    uint64_t number = 0;  // of the ledger
    uint64_t return_ns = 0;
    uint32_t renews = 0;          // still to do
    uint32_t wire = 0;            // that it leased over
    std::size_t spot = kNowhere;  // in holding_, while it waits and no call is under way
    bool later = false;           // in later_
    bool measured = false;
    bool probes = false;
    bool repeats = false;  // its return was lost, and may have been done
    std::string grants;    // the LeaseResponse that they are in
  };
  struct Later {
    uint64_t due_ns;
    uint32_t cycle;
    bool operator>(const Later& other) const { return due_ns > other.due_ns; }
  };

  void Ask(uint32_t number);
  void OnLease(uint32_t number, uint32_t status, std::string& reply);
  void OnRenew(uint32_t number, uint32_t status, const std::string& reply);
  void OnReturn(uint32_t number, uint32_t status, const std::string& reply);
  void Held(Cycle& cycle);
  void HoldOn(uint32_t number);
  void Wait(uint32_t number, Step step, uint64_t due_ns);
  void LetGo(uint32_t number);
  uint32_t TakeLater();
  [[nodiscard]] bool TakeOne(uint64_t due_ns, uint32_t& number);
  void Abandon(uint32_t number);
  void End(uint32_t number) { free_.push_back(number); }
  void Failed(uint32_t status);
  [[nodiscard]] uint64_t HoldNs();
  [[nodiscard]] uint64_t NextOf(uint64_t period_ns) const;
  [[nodiscard]] uint64_t now_ns() const { return wires_.now_ns(); }

  const OpenLoopOptions& options_;
  OpenLoopResult& result_;
  OpenWires& wires_;
  const OpenLoopTimes& times_;
  const std::string lease_;
  std::mt19937_64 holds_;
  std::vector<Cycle> cycles_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> holding_;  // those that hold and wait, in no order
  std::priority_queue<Later, std::vector<Later>, std::greater<>> later_;
  std::vector<GrantBytes> grants_;
  OpenLoopSecond second_;
  std::unique_ptr<base::LogHistogram> second_ns_ = std::make_unique<base::LogHistogram>();
};

}  // namespace objpool::load
