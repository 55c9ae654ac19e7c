// What `bench --rate` found, and its ways onto paper.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include "client/ctl/bench_report.h"
#include "client/ctl/commands.h"
#include "client/load/open_loop.h"

namespace objpool::client {

struct OpenReport {
  const BenchOptions& options;
  const std::string& server;
  const load::OpenLoopResult& result;
  const load::Ledger* ledger;  // null: nothing was checked
  ServerDelta delta;
  bool interrupted;

  [[nodiscard]] double cycles_per_s() const;
};

void WriteText(const OpenReport& report, std::ostream& out);
// The schema "objpool.bench.open.v1", documented in the room's README.
void WriteJson(const OpenReport& report, std::ostream& out);

// "fixed", "uniform" or "exponential".
[[nodiscard]] const char* NameOf(HoldDistribution distribution);

}  // namespace objpool::client
