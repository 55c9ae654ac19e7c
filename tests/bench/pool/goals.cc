#include "tests/bench/pool/goals.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string_view>

namespace objpool::bench {
namespace {

constexpr std::string_view kBiased = "objpool (biased)";
constexpr std::string_view kSlotLock = "objpool (slot_lock)";
constexpr std::string_view kMempool = "rte_mempool+cache";
constexpr std::string_view kMoodycamel = "moodycamel+tokens";
constexpr std::string_view kFloor = "magazine (unsafe floor)";

struct Goal {
  std::string_view cell;
  std::string_view ours;
  std::string_view peer;
  double times_as_fast;  // by medians
};

constexpr std::array<Goal, 21> kGoals = {{
    {"1T pair", kBiased, kKernelName, 6},
    {"1T pair", kBiased, kMempool, 3},
    {"1T pair", kBiased, kFloor, 0.5},
    {"2T own slots", kBiased, kKernelName, 6},
    {"2T own slots", kBiased, kMempool, 2.4},
    {"2T own slots", kBiased, kMoodycamel, 20},
    {"8T on 2 CPUs hold 8", kBiased, kKernelName, 6},
    {"8T on 2 CPUs hold 8", kBiased, kMempool, 2},
    {"8T on 2 CPUs hold 8", kBiased, kMoodycamel, 20},
    {"asym", kBiased, kKernelName, 5},
    {"asym", kBiased, kMempool, 1.1},
    {"1T batch 32", kBiased, kKernelName, 40},
    {"1T batch 32", kBiased, kMempool, 1.2},
    {"1T burst 64", kBiased, kKernelName, 6.5},
    {"1T burst 64", kBiased, kMempool, 2.5},
    {"1T touch 64B", kBiased, kKernelName, 3},
    {"1T touch 64B", kBiased, kMempool, 1.2},
    {"scarce 96", kBiased, kKernelName, 1.5},
    {"scarce 192", kBiased, kKernelName, 1.5},
    {"1T pair", kSlotLock, kKernelName, 0.8},
    {"asym", kSlotLock, kKernelName, 3},
}};

// The median of a contender in a setting.
std::optional<double> MedianOf(const Contenders& contenders, const Matrix& matrix,
                               std::size_t setting, std::string_view name) {
  for (std::size_t c = 0; c < contenders.size(); ++c) {
    if (contenders[c]->name() != name) continue;
    const Figure* const figure = matrix.Find(setting, c);
    if (figure != nullptr) return figure->median_ns;
  }
  return std::nullopt;
}

std::optional<double> Lowest(const Goal& goal, const std::vector<Setting>& settings,
                             const Contenders& contenders, const Matrix& matrix) {
  std::optional<double> lowest;
  for (std::size_t s = 0; s < settings.size(); ++s) {
    if (settings[s].cell.name != goal.cell) continue;
    const auto ours = MedianOf(contenders, matrix, s, goal.ours);
    const auto peer = MedianOf(contenders, matrix, s, goal.peer);
    if (!ours.has_value() || !peer.has_value()) continue;
    const double ratio = *peer / *ours;
    lowest = std::min(lowest.value_or(ratio), ratio);
  }
  return lowest;
}

}  // namespace

void PrintGoals(const std::vector<Setting>& settings, const Contenders& contenders,
                const Matrix& matrix) {
  std::printf("\n%-20s %-20s %-24s %8s %8s\n", "Goals", "", "times as fast as", "goal", "here");
  for (const Goal& goal : kGoals) {
    const std::optional<double> ratio = Lowest(goal, settings, contenders, matrix);
    if (!ratio.has_value()) continue;
    std::printf("%-20.*s %-20.*s %-24.*s %8.1f %8.2f%s\n", static_cast<int>(goal.cell.size()),
                goal.cell.data(), static_cast<int>(goal.ours.size()), goal.ours.data(),
                static_cast<int>(goal.peer.size()), goal.peer.data(), goal.times_as_fast, *ratio,
                *ratio >= goal.times_as_fast ? "" : "  missed");
  }
}

}  // namespace objpool::bench
