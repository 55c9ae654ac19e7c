// The load test whose arrivals do not wait for answers: `bench --rate`.
#pragma once

#include "client/ctl/commands.h"

namespace objpool::client {

// As RunBench, which calls it where there is a rate; `options` name a pool, without "pools/".
[[nodiscard]] Exit RunOpenBench(const BenchOptions& options, const Target& target, Console& console,
                                bool (*interrupted)());

}  // namespace objpool::client
