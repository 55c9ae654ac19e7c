// The shortest trace of a finding: which rounds it needs.
#pragma once

#include "tests/sim/world.h"

namespace objpool::sim {

// Leaves out each round without which something is still found, and prints what is left.
void PrintShortest(World::Options options, const World& found);

}  // namespace objpool::sim
