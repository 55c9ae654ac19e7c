// How all results of bench tell latencies: as a row of a table, and as a field of JSON.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "client/ctl/json_writer.h"
#include "client/ctl/table.h"
#include "pool/base/log_histogram.h"

namespace objpool::client {

// The percentiles that are told, by their names in JSON and for people.
struct LatencyShare {
  double quantile;
  const char* field;
  const char* shown;
};
inline constexpr std::array<LatencyShare, 5> kLatencyShares = {{{0.5, "p50", "p50"},
                                                                {0.9, "p90", "p90"},
                                                                {0.99, "p99", "p99"},
                                                                {0.999, "p99_9", "p99.9"},
                                                                {0.9999, "p99_99", "p99.99"}}};

// Of histograms of nanoseconds, in microseconds.
[[nodiscard]] inline double Us(double ns) { return ns / 1000; }
[[nodiscard]] inline double Us(uint64_t ns) { return Us(static_cast<double>(ns)); }
[[nodiscard]] Row LatencyHeading();
[[nodiscard]] Row LatencyRow(const char* name, const base::LogHistogram& ns, int digits = 1);
// Null where nothing was counted.
void LatencyField(const char* name, const base::LogHistogram& ns, JsonWriter& json);

}  // namespace objpool::client
