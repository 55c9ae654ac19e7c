// One run of arrivals that do not wait, with all that is asked before it and after it.
#pragma once

#include <memory>
#include <optional>

#include "client/ctl/commands.h"
#include "client/ctl/server_delta.h"
#include "client/load/open_loop.h"

namespace objpool::client {

struct OpenRun {
  BenchOptions options;  // with what the scenario fills in
  std::unique_ptr<load::OpenLoopResult> result;
  std::unique_ptr<load::Ledger> ledger;  // null: nothing was checked
  ServerDelta delta;
  // How long after the run no more was leased than before it. Unset: no connection was broken, or
  // it did not come to that.
  std::optional<double> came_back_s;
};

// kOk when it was done and `run` is filled, whatever came of it; else the complaint was made.
[[nodiscard]] Exit RunOnce(const BenchOptions& options, const Target& target, Console& console,
                           bool (*interrupted)(), OpenRun& run);

}  // namespace objpool::client
