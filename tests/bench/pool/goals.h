// Goals: what this pool wants to be against its peers, and how far a run says that it is.
#pragma once

#include <vector>

#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/matrix.h"

namespace objpool::bench {

// To standard output: each goal with the ratio that was measured, the lowest one of all capacities.
// Those whose cell or contender was not run are left out.
void PrintGoals(const std::vector<Setting>& settings, const Contenders& contenders,
                const Matrix& matrix);

}  // namespace objpool::bench
