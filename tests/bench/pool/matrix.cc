#include "tests/bench/pool/matrix.h"

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace objpool::bench {
namespace {

// A run that others disturbed by more than this is repeated, so many times at most.
constexpr double kDisturbed = 0.05;
constexpr uint32_t kRuns = 3;

// Threads that take turns on a CPU have to have had some.
constexpr std::chrono::milliseconds kOversubscribedDuration{24};

}  // namespace

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<Setting> AllSettings() {
  const std::vector<Cell> cells = {
      {.name = "1T pair"},
      {.name = "2T own slots", .threads = 2},
      {.name = "8T on 2 CPUs hold 8",
       .unit = Unit::kCpuTime,
       .threads = 8,
       .held = 8,
       .duration = kOversubscribedDuration},
      {.name = "asym", .work = Work::kHandOff, .unit = Unit::kWallTime, .threads = 2},
      {.name = "1T batch 32", .work = Work::kBatches, .held = kBatchHandles},
      {.name = "2T batch 32", .work = Work::kBatches, .threads = 2, .held = kBatchHandles},
      {.name = "1T burst 64", .held = 64},
      {.name = "1T touch 64B", .work = Work::kTouch},
  };
  std::vector<Setting> settings;
  for (const uint32_t capacity : {1024u, 65536u}) {
    for (const Cell& cell : cells) settings.push_back({cell, capacity});
  }
  for (const uint32_t capacity : {96u, 192u}) {
    settings.push_back({{.name = "scarce " + std::to_string(capacity),
                         .work = Work::kHandOff,
                         .unit = Unit::kWallTime,
                         .threads = 2},
                        capacity});
  }
  return settings;
}

Matrix::Matrix(const std::vector<Setting>& settings, const Contenders& contenders, Wanted wanted)
    : settings_(settings), contenders_(contenders), wanted_(std::move(wanted)) {}

void Matrix::RunRound(uint32_t round, std::span<const uint32_t> cpus) {
  for (std::size_t s = 0; s < settings_.size(); ++s) {
    const auto& [cell, capacity] = settings_[s];
    for (std::size_t i = 0; i < contenders_.size(); ++i) {
      const std::size_t c = (i + round) % contenders_.size();
      if (!contenders_[c]->CanRun(cell) || !wanted_(cell, *contenders_[c])) continue;
      Sample sample = contenders_[c]->Run(cell, capacity, cpus);
      for (uint32_t run = 1; run < kRuns && cell.unit != Unit::kCpuTime; ++run) {
        if (sample.waited_share <= kDisturbed || !sample.broken.empty()) break;
        Sample again = contenders_[c]->Run(cell, capacity, cpus);
        if (again.waited_share < sample.waited_share || !again.broken.empty()) sample = again;
      }
      if (!sample.broken.empty()) {
        broken_.push_back(contenders_[c]->name() + ", " + cell.name + ", capacity " +
                          std::to_string(capacity) + ": " + sample.broken);
      }
      samples_[{s, c}].push_back(std::move(sample));
    }
  }
}

void Matrix::Summarize() {
  std::vector<double> waited;
  for (const auto& [place, samples] : samples_) {
    std::vector<double> ns;
    std::vector<double> failed;
    for (const Sample& sample : samples) {
      ns.push_back(sample.ns);
      failed.push_back(sample.failed_share);
      if (settings_[place.first].cell.unit != Unit::kCpuTime) {
        waited.push_back(sample.waited_share);
      }
    }
    figures_[place] = {.median_ns = Median(ns),
                       .min_ns = *std::min_element(ns.begin(), ns.end()),
                       .failed_share = Median(failed)};
  }
  if (!waited.empty()) waited_share_ = Median(waited);
}

const Figure* Matrix::Find(std::size_t setting, std::size_t contender) const {
  const auto found = figures_.find({setting, contender});
  return found == figures_.end() ? nullptr : &found->second;
}

}  // namespace objpool::bench
