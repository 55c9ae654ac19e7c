// Matrix: every contender in every cell, round after round, and the figures that come out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/pool/contender.h"

namespace objpool::bench {

// A cell with the capacity that it is run with.
struct Setting {
  Cell cell;
  uint32_t capacity;
};

// The cells of the main tables and the scarce ones.
[[nodiscard]] std::vector<Setting> AllSettings();

// Over all rounds.
struct Figure {
  double median_ns = 0;
  double min_ns = 0;
  double failed_share = 0;  // median
};

class Matrix {
 public:
  // Says whether a contender is to run in a cell.
  using Wanted = std::function<bool(const Cell&, const Contender&)>;

  // Settings and contenders must outlive the matrix.
  Matrix(const std::vector<Setting>& settings, const Contenders& contenders, Wanted wanted);

  // One figure of each contender in each cell. The order of contenders moves on with `round`.
  void RunRound(uint32_t round, std::span<const uint32_t> cpus);

  // Null where it was not run.
  [[nodiscard]] const Figure* Find(std::size_t setting, std::size_t contender) const;
  // From what RunRound gathered.
  void Summarize();
  // What a pool lost or gave twice, a sentence each.
  [[nodiscard]] const std::vector<std::string>& broken() const { return broken_; }
  // The median share of the time that threads waited for a CPU that others used, in cells where
  // each thread has a CPU.
  [[nodiscard]] double waited_share() const { return waited_share_; }

 private:
  using Place = std::pair<std::size_t, std::size_t>;  // setting, contender

  const std::vector<Setting>& settings_;
  const Contenders& contenders_;
  const Wanted wanted_;
  std::map<Place, std::vector<Sample>> samples_;
  std::map<Place, Figure> figures_;
  std::vector<std::string> broken_;
  double waited_share_ = 0;
};

// Of a list that is not empty.
[[nodiscard]] double Median(std::vector<double> values);

}  // namespace objpool::bench
