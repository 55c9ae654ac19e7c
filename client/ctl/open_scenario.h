// Scenarios of `bench --scenario`: what happens besides leasing, holding and returning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "client/ctl/commands.h"
#include "client/load/open_loop.h"

namespace objpool::client {

[[nodiscard]] const char* NameOf(BenchScenario scenario);

// Fills in what the scenario wants and nobody gave, for a pool of so many handles. A sentence where
// the options make no such scenario; else nothing.
[[nodiscard]] std::string CompleteScenario(uint64_t capacity, BenchOptions& options);
// Has the load do it. `options` are complete.
void SetScenario(uint64_t capacity, const BenchOptions& options, load::OpenLoopOptions& load);

}  // namespace objpool::client
