#include "tests/bench/rpc/matrix.h"

#include <algorithm>

namespace objpool::bench {
namespace {

// Of a list that is not empty.
double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double MedianOf(const std::vector<Sample>& samples, double Sample::*what) {
  std::vector<double> values;
  values.reserve(samples.size());
  for (const Sample& sample : samples) values.push_back(sample.*what);
  return Median(std::move(values));
}

}  // namespace

std::vector<Cell> AllCells() {
  constexpr const char* kMany = "64 outstanding, 64x1";
  constexpr const char* kStream = "streamed 64";
  std::vector<Cell> cells;
  cells.push_back({.name = "1 outstanding", .reference = "1 outstanding"});
  // Connections, and what is outstanding on each.
  cells.push_back({.name = "64 outstanding, 1x64", .outstanding = 64, .reference = kMany});
  cells.push_back(
      {.name = "64 outstanding, 8x8", .connections = 8, .outstanding = 8, .reference = kMany});
  cells.push_back({.name = kMany, .connections = 64, .reference = kMany});
  cells.push_back({.name = kStream, .way = Way::kStream, .outstanding = 64, .reference = kStream});
  cells.push_back({.name = "streamed 64, folded",
                   .way = Way::kFolded,
                   .outstanding = 64,
                   .reference = kStream});
  cells.push_back(
      {.name = "batch 64, 8x1", .connections = 8, .batch = 64, .reference = "batch 64, 8x1"});
  return cells;
}

Matrix::Matrix(const std::vector<Cell>& cells, const Contenders& contenders, Wanted wanted)
    : cells_(cells), contenders_(contenders), wanted_(std::move(wanted)) {}

void Matrix::RunRound(uint32_t round, const Pace& pace) {
  for (const Cell& cell : cells_) {
    for (std::size_t i = 0; i < contenders_.size(); ++i) {
      Contender& contender = *contenders_[(i + round) % contenders_.size()];
      if (!contender.CanRun(cell) || !wanted_(cell, contender)) continue;
      Sample sample = contender.Run(cell, pace);
      if (sample.broken.empty()) {
        samples_[{cell.name, contender.name()}].push_back(std::move(sample));
      } else {
        broken_.push_back(contender.name() + ", " + cell.name + ": " + sample.broken);
      }
    }
  }
}

void Matrix::Summarize() {
  std::vector<double> waited;
  for (const auto& [place, samples] : samples_) {
    figures_[place] = {.cycles_per_s = MedianOf(samples, &Sample::cycles_per_s),
                       .server_cpu_us = MedianOf(samples, &Sample::server_cpu_us),
                       .p50_us = MedianOf(samples, &Sample::p50_us),
                       .p99_us = MedianOf(samples, &Sample::p99_us)};
    for (const Sample& sample : samples) waited.push_back(sample.waited_share);
  }
  if (!waited.empty()) waited_share_ = Median(waited);
}

const Figure* Matrix::Find(std::string_view cell, std::string_view contender) const {
  const auto found = figures_.find({std::string(cell), std::string(contender)});
  return found == figures_.end() ? nullptr : &found->second;
}

}  // namespace objpool::bench
