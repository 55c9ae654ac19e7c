// What `bench --rate` found, and its ways onto paper.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "client/ctl/open_run.h"

namespace objpool::client {

struct OpenReport {
  const OpenRun& run;
  const std::string& server;
  bool interrupted;
};

void WriteText(const OpenReport& report, std::ostream& out);
// The schema "objpool.bench.open.v1", documented in the room's README.
void WriteJson(const OpenReport& report, std::ostream& out);

// What was asked, defaults filled in.
using OptionValue = std::variant<std::string, double, int64_t, bool>;
[[nodiscard]] std::vector<std::pair<const char*, OptionValue>> OptionValues(
    const BenchOptions& options);
// What the whole run counted.
[[nodiscard]] std::vector<std::pair<const char*, uint64_t>> CountsOf(
    const load::OpenLoopResult& result);

}  // namespace objpool::client
