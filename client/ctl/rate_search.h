// RateSearch: the highest rate that passes, by few trials: up in doubles until one fails, then
// between the two by halves of their ratio. A rate that fails has a second chance, because machines
// are disturbed now and then. Pure: whoever has it makes the trials.
#pragma once

#include <cstdint>
#include <optional>

namespace objpool::client {

// Those below kPassed, from that which says least to that which says most.
enum class TrialEnd : uint8_t {
  kInvalid,    // the load was the bottleneck
  kExhausted,  // the pool was empty too often
  kFailed,     // calls failed
  kTooSlow,
  kPassed,
};

class RateSearch {
 public:
  static constexpr uint32_t kMostTrials = 48;
  static constexpr double kClose = 1.05;  // the ratio that is good enough
  static constexpr double kLeast = 1;     // below, nothing is tried

  RateSearch(double start, double most) : rate_(start), most_(most) {}

  // The rate to try next; unset when it is over.
  [[nodiscard]] std::optional<double> Next() const;
  // How the trial of it ended.
  void Tell(TrialEnd end);

  // The highest one that passed; unset: none did.
  [[nodiscard]] std::optional<double> best() const { return best_; }
  // The lowest one that did not, and why; unset: all passed.
  [[nodiscard]] std::optional<double> worst() const { return worst_; }
  [[nodiscard]] TrialEnd why() const { return why_; }

 private:
  double rate_;
  const double most_;
  uint32_t trials_ = 0;
  bool done_ = false;
  std::optional<TrialEnd> first_;  // of the rate's two trials
  std::optional<double> best_;
  std::optional<double> worst_;
  TrialEnd why_ = TrialEnd::kPassed;
};

}  // namespace objpool::client
