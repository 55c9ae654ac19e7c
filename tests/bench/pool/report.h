// Report: the figures as tables for people and as JSON for programs.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/matrix.h"

namespace objpool::bench {

// To standard output: for each capacity a table of medians and minima, and one of the medians'
// ratios to the kernel's algorithm. The scarce cells are a table of their own.
void PrintTables(const std::vector<Setting>& settings, const Contenders& contenders,
                 const Matrix& matrix);

// A list of {"cell", "capacity", "contender", "median_ns", "min_ns"}. False when the file cannot be
// written.
[[nodiscard]] bool WriteJson(const std::string& path, const std::vector<Setting>& settings,
                             const Contenders& contenders, const Matrix& matrix);

}  // namespace objpool::bench
