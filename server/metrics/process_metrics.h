// The process_* metrics that every Prometheus client library gives, read from /proc/self.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace objpool::metrics {

// What /proc/self/stat tells, in its own units.
struct ProcStat {
  uint64_t cpu_ticks = 0;  // user and system
  uint64_t threads = 0;
  uint64_t start_ticks = 0;  // after boot
  uint64_t virtual_bytes = 0;
  uint64_t resident_pages = 0;
};

// None when it does not look like that file.
[[nodiscard]] std::optional<ProcStat> ParseProcStat(std::string_view text);

// Adds process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes,
// process_start_time_seconds, process_threads, process_open_fds and process_max_fds. One whose
// source cannot be read is left out.
void AppendProcessMetrics(std::vector<prometheus::MetricFamily>& families);

}  // namespace objpool::metrics
