// `bench --find-max`: the highest rate at which the leases' p99 stays within a limit.
#pragma once

#include "client/ctl/commands.h"

namespace objpool::client {

// As RunOpenBench, over and over, with the rates of a RateSearch.
[[nodiscard]] Exit RunFindMax(const BenchOptions& options, const Target& target, Console& console,
                              bool (*interrupted)());

}  // namespace objpool::client
