// Report: the figures as tables for people and as JSON for programs, and how far goals were met.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/rpc/contender.h"
#include "tests/bench/rpc/matrix.h"

namespace objpool::bench {

// To standard output: a table for each cell, with the ratio to Redis's leases by a script.
void PrintTables(const std::vector<Cell>& cells, const Contenders& contenders,
                 const Matrix& matrix);

// To standard output: each goal with what was measured. Those whose cell or contender was not run
// are left out.
void PrintGoals(const Matrix& matrix);

// A list of {"cell", "contender", "cycles_per_s", "server_cpu_us_per_cycle", "p50_us", "p99_us"}.
// False when the file cannot be written.
[[nodiscard]] bool WriteJson(const std::string& path, const std::vector<Cell>& cells,
                             const Contenders& contenders, const Matrix& matrix);

}  // namespace objpool::bench
