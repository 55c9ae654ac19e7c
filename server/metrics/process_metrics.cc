#include "server/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "server/metrics/families.h"

namespace objpool::metrics {
namespace {

// Fields of /proc/self/stat, counted from the one after the command's name (proc(5) counts from 1,
// and that one is its third).
constexpr std::size_t kUserTicks = 14 - 3;
constexpr std::size_t kSystemTicks = 15 - 3;
constexpr std::size_t kThreads = 20 - 3;
constexpr std::size_t kStartTicks = 22 - 3;
constexpr std::size_t kVirtualBytes = 23 - 3;
constexpr std::size_t kResidentPages = 24 - 3;

// When the machine started, in seconds of Unix time.
std::optional<uint64_t> BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    uint64_t seconds = 0;
    const std::string_view text = line;
    if (text.starts_with("btime ") &&
        std::from_chars(text.data() + 6, text.data() + text.size(), seconds).ec == std::errc()) {
      return seconds;
    }
  }
  return std::nullopt;
}

void AppendOfStat(const ProcStat& stat, std::vector<prometheus::MetricFamily>& families) {
  const auto ticks_per_s = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  families.push_back(FamilyBuilder("process_cpu_seconds_total")
                         .Add(static_cast<double>(stat.cpu_ticks) / ticks_per_s)
                         .Take());
  families.push_back(
      FamilyBuilder("process_resident_memory_bytes").Add(stat.resident_pages * page_bytes).Take());
  families.push_back(FamilyBuilder("process_virtual_memory_bytes").Add(stat.virtual_bytes).Take());
  families.push_back(FamilyBuilder("process_threads").Add(stat.threads).Take());
  // The file is long, and slow to read; this part of it never changes.
  static const std::optional<uint64_t> boot_s = BootTime();
  if (boot_s) {
    families.push_back(
        FamilyBuilder("process_start_time_seconds")
            .Add(static_cast<double>(*boot_s) + static_cast<double>(stat.start_ticks) / ticks_per_s)
            .Take());
  }
}

void AppendDescriptors(std::vector<prometheus::MetricFamily>& families) {
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  int64_t open = -1;  // one of them is the directory that is read here
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) ++open;
  if (!error) {
    families.push_back(FamilyBuilder("process_open_fds").Add(open).Take());
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.push_back(FamilyBuilder("process_max_fds").Add(limit.rlim_cur).Take());
  }
}

}  // namespace

std::optional<ProcStat> ParseProcStat(std::string_view text) {
  // The name may hold anything, spaces and parentheses too.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  const char* at = text.data() + name_end + 1;
  const char* const end = text.data() + text.size();
  std::array<uint64_t, kResidentPages + 1> fields{};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    while (at != end && *at == ' ') ++at;
    const char* const stop = std::find_if(at, end, [](char c) { return c == ' ' || c == '\n'; });
    if (at == stop) return std::nullopt;
    // Those that are no numbers, or negative, are none of ours and stay 0.
    std::from_chars(at, stop, fields[i]);
    at = stop;
  }
  return ProcStat{.cpu_ticks = fields[kUserTicks] + fields[kSystemTicks],
                  .threads = fields[kThreads],
                  .start_ticks = fields[kStartTicks],
                  .virtual_bytes = fields[kVirtualBytes],
                  .resident_pages = fields[kResidentPages]};
}

void AppendProcessMetrics(std::vector<prometheus::MetricFamily>& families) {
  std::ifstream file("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (const std::optional<ProcStat> stat = ParseProcStat(text)) AppendOfStat(*stat, families);
  AppendDescriptors(families);
}

}  // namespace objpool::metrics
