// OpenWorker: one thread's share of an OpenLoop: its arrivals, connections and cycles. Internal to
// it.
//
// Threads: one, but for making it and connecting it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/load/open_cycles.h"
#include "client/load/open_loop.h"
#include "client/load/open_wires.h"

namespace objpool::load {

// Takes what a second, counted from 0, brought, and its leases' times. Any thread of the loop.
class SecondTaker {
 public:
  virtual ~SecondTaker() = default;
  virtual void Take(std::size_t index, const OpenLoopSecond& second,
                    std::unique_ptr<base::LogHistogram> lease_ns) = 0;
};

class OpenWorker {
 public:
  // `options` are those of its share; all must outlive it.
  OpenWorker(const OpenLoopOptions& options, SecondTaker& seconds);

  [[nodiscard]] bool Connect(std::string& why) { return wires_.Connect(cycles_, why); }
  [[nodiscard]] bool Run(uint64_t begin_ns, const std::function<bool()>& stop, std::string& why);
  // Without its seconds.
  [[nodiscard]] const OpenLoopResult& result() const { return *result_; }

 private:
  struct Flow {
    Arrivals arrivals;
    void (OpenCycles::*begin)(uint64_t due_ns);
  };
  [[nodiscard]] std::vector<Flow> Flows() const;
  uint64_t Arrive(std::vector<Flow>& flows);
  void Schedule(uint64_t begin_ns);
  [[nodiscard]] bool RunOut(const std::function<bool()>& stop, std::string& why);
  void CrashWhatIsDue();
  [[nodiscard]] bool Turn(uint64_t until_ns, std::string& why);
  void CloseSecond();
  [[nodiscard]] OpenLoopPhase PhaseOf(uint64_t from_ns, uint64_t to_ns) const;

  const OpenLoopOptions& options_;
  SecondTaker& seconds_;
  std::unique_ptr<OpenLoopResult> result_ = std::make_unique<OpenLoopResult>();
  OpenWires wires_;
  OpenLoopTimes times_;
  OpenCycles cycles_{options_, *result_, wires_, times_};
  std::size_t second_ = 0;
  uint64_t second_ends_ns_ = 0;
  uint64_t crash_at_ns_ = UINT64_MAX;
};

}  // namespace objpool::load
