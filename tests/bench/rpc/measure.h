// Measure: one run of a load on a server that is paused before and behind it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "client/load/load_loop.h"
#include "tests/bench/rpc/contender.h"
#include "tests/bench/rpc/server_process.h"

namespace objpool::bench {

// Starts a load; null, with `why`, where that cannot be.
using LoadMaker = std::function<std::unique_ptr<load::LoadLoop>(std::string& why)>;

// Warms up, measures, and lets all that was leased come back. `after` says at the end,
// while the server runs, what is not as it should be; else nothing.
[[nodiscard]] Sample Measure(ServerProcess& server, const Pace& pace, const LoadMaker& make_load,
                             const std::function<std::string()>& after = {});

}  // namespace objpool::bench
