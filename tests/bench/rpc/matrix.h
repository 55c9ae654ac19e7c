// Matrix: every contender in every cell, round after round, and the figures that come out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/rpc/contender.h"

namespace objpool::bench {

[[nodiscard]] std::vector<Cell> AllCells();

// Medians of all rounds.
struct Figure {
  double cycles_per_s = 0;
  double server_cpu_us = 0;
  double p50_us = 0;
  double p99_us = 0;
};

class Matrix {
 public:
  // Says whether a contender is to run in a cell.
  using Wanted = std::function<bool(const Cell&, const Contender&)>;

  // Cells and contenders, which have been started, must outlive the matrix.
  Matrix(const std::vector<Cell>& cells, const Contenders& contenders, Wanted wanted);

  // One run of each contender in each cell. The order of contenders moves on with `round`.
  void RunRound(uint32_t round, const Pace& pace);
  // From what RunRound gathered.
  void Summarize();

  // Null where it was not run.
  [[nodiscard]] const Figure* Find(std::string_view cell, std::string_view contender) const;
  // What a server did wrong, a sentence each.
  [[nodiscard]] const std::vector<std::string>& broken() const { return broken_; }
  // The median share of the time that servers waited for their CPU.
  [[nodiscard]] double waited_share() const { return waited_share_; }

 private:
  using Place = std::pair<std::string, std::string>;  // cell, contender

  const std::vector<Cell>& cells_;
  const Contenders& contenders_;
  const Wanted wanted_;
  std::map<Place, std::vector<Sample>> samples_;
  std::map<Place, Figure> figures_;
  std::vector<std::string> broken_;
  double waited_share_ = 0;
};

}  // namespace objpool::bench
