// What this process's control groups let it have: CPU time and memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace objpool::server {

// In CPUs, as in 1.5. None where nothing limits it or it cannot be told. Of versions 1 and 2, and
// of the process's own group and all that hold it, the smallest quota counts. `root` is what stands
// for
// "/", so that a test can make a tree of its own.
[[nodiscard]] std::optional<double> CpuQuotaCpus(const std::string& root = "/");

// The content of a version 2 group's cpu.max, "QUOTA PERIOD"; none for a quota of "max".
[[nodiscard]] std::optional<double> ParseCpuMax(std::string_view text);

// The contents of a version 1 group's cpu.cfs_quota_us and cpu.cfs_period_us; none for a quota
// of -1.
[[nodiscard]] std::optional<double> ParseCfsQuota(std::string_view quota_us,
                                                  std::string_view period_us);

// Memory that may be filled, in bytes: what the machine has available, or less where a control
// group limits it (the smallest limit counts, as above). None where it cannot be told.
[[nodiscard]] std::optional<uint64_t> MemoryLimitBytes(const std::string& root = "/");

}  // namespace objpool::server
