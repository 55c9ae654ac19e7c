#include "server/control_group.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

namespace objpool::server {
namespace {

using Path = std::filesystem::path;

// More than any machine has; they only bound the reading.
constexpr std::size_t kMaxMounts = 100'000;
constexpr int kMaxDepth = 256;

// A mounted hierarchy that may limit CPU time.
struct Hierarchy {
  bool v2 = false;
  Path root;   // the group that is mounted
  Path mount;  // where
};

std::vector<std::string> Split(std::string_view text, char by) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(by, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool Contains(const std::string& list, std::string_view word) {
  const std::vector<std::string> words = Split(list, ',');
  return std::ranges::find(words, word) != words.end();
}

std::optional<int64_t> ParseNumber(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string ReadLine(const Path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// mountinfo writes spaces, tabs, newlines and backslashes as "\040" and the like.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '\\' && text.size() - i >= 4 &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr ==
            text.data() + i + 4) {
      plain += static_cast<char>(code);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// A line of mountinfo: ID PARENT DEVICE ROOT MOUNT OPTIONS [TAG ...] - TYPE SOURCE SUPER_OPTIONS
std::optional<Hierarchy> ParseMount(const std::string& line, std::string_view controller) {
  const std::vector<std::string> words = Split(line, ' ');
  const auto dash = std::ranges::find(words, "-");
  if (dash - words.begin() < 6 || words.end() - dash < 4) return std::nullopt;
  const bool v2 = dash[1] == "cgroup2";
  if (!v2 && (dash[1] != "cgroup" || !Contains(dash[3], controller))) return std::nullopt;
  return Hierarchy{.v2 = v2, .root = Unescape(words[3]), .mount = Unescape(words[4])};
}

std::vector<Hierarchy> ReadHierarchies(const Path& root, std::string_view controller) {
  std::vector<Hierarchy> hierarchies;
  std::ifstream file(root / "proc/self/mountinfo");
  std::string line;
  for (std::size_t i = 0; i < kMaxMounts && std::getline(file, line); ++i) {
    std::optional<Hierarchy> found = ParseMount(line, controller);
    if (found) hierarchies.push_back(*std::move(found));
  }
  return hierarchies;
}

// This process's group in a hierarchy, from lines of ID:CONTROLLERS:PATH; those of version 2 have
// ID 0 and no controllers.
std::optional<Path> ReadGroup(const Path& root, bool v2, std::string_view controller) {
  std::ifstream file(root / "proc/self/cgroup");
  std::string line;
  for (std::size_t i = 0; i < kMaxMounts && std::getline(file, line); ++i) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (v2 ? line.starts_with("0:") && controllers.empty() : Contains(controllers, controller)) {
      return Path(line.substr(second + 1));
    }
  }
  return std::nullopt;
}

// The folders from the hierarchy's mount down to the group. A group that is not beneath the mounted
// one is seen from another namespace; then what is mounted is what holds this process.
std::vector<Path> Folders(const Path& root, const Hierarchy& hierarchy, const Path& group) {
  std::vector<Path> folders = {root / hierarchy.mount.relative_path()};
  const Path below = group.lexically_relative(hierarchy.root);
  if (below.empty() || *below.begin() == "..") return folders;
  for (const Path& name : below) {
    if (name == "." || name.empty()) continue;
    if (folders.size() > kMaxDepth) break;
    folders.push_back(folders.back() / name);
  }
  return folders;
}

std::optional<double> ReadQuota(const Path& folder, bool v2) {
  if (v2) return ParseCpuMax(ReadLine(folder / "cpu.max"));
  return ParseCfsQuota(ReadLine(folder / "cpu.cfs_quota_us"),
                       ReadLine(folder / "cpu.cfs_period_us"));
}

// None for a limit of "max"; version 1 writes a number beyond all memory instead.
std::optional<uint64_t> ReadMemoryLimit(const Path& folder, bool v2) {
  const std::optional<int64_t> bytes =
      ParseNumber(ReadLine(folder / (v2 ? "memory.max" : "memory.limit_in_bytes")));
  if (!bytes || *bytes < 0) return std::nullopt;
  return static_cast<uint64_t>(*bytes);
}

// MemAvailable of /proc/meminfo, which is in KiB.
std::optional<uint64_t> ReadAvailable(const Path& root) {
  constexpr std::string_view kKey = "MemAvailable:";
  std::ifstream file(root / "proc/meminfo");
  std::string line;
  for (std::size_t i = 0; i < kMaxMounts && std::getline(file, line); ++i) {
    if (!line.starts_with(kKey)) continue;
    const std::size_t begin = line.find_first_of("0123456789");
    const std::size_t end = line.find(' ', begin);
    if (begin == std::string::npos || end == std::string::npos) return std::nullopt;
    const std::optional<int64_t> kib = ParseNumber(line.substr(begin, end - begin));
    if (!kib) return std::nullopt;
    return static_cast<uint64_t>(*kib) * 1024;
  }
  return std::nullopt;
}

// The least that `read` finds in the groups of this process.
template <typename Value, typename Read>
std::optional<Value> Least(const Path& root, std::string_view controller, Read read) {
  std::optional<Value> least;
  for (const Hierarchy& hierarchy : ReadHierarchies(root, controller)) {
    const std::optional<Path> group = ReadGroup(root, hierarchy.v2, controller);
    if (!group) continue;
    for (const Path& folder : Folders(root, hierarchy, *group)) {
      const std::optional<Value> value = read(folder, hierarchy.v2);
      if (value && (!least || *value < *least)) least = value;
    }
  }
  return least;
}

}  // namespace

std::optional<double> ParseCpuMax(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  return ParseCfsQuota(text.substr(0, space), text.substr(space + 1));
}

std::optional<double> ParseCfsQuota(std::string_view quota_us, std::string_view period_us) {
  const std::optional<int64_t> quota = ParseNumber(quota_us);
  const std::optional<int64_t> period = ParseNumber(period_us);
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::optional<double> CpuQuotaCpus(const std::string& root) {
  return Least<double>(root, "cpu", ReadQuota);
}

std::optional<uint64_t> MemoryLimitBytes(const std::string& root) {
  std::optional<uint64_t> least = ReadAvailable(root);
  const std::optional<uint64_t> group = Least<uint64_t>(root, "memory", ReadMemoryLimit);
  if (group && (!least || *group < *least)) least = group;
  return least;
}

}  // namespace objpool::server
