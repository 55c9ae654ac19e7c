// Goals: what this server wants to be against its peers.
#include <array>
#include <cstdio>
#include <string_view>

#include "tests/bench/rpc/report.h"

namespace objpool::bench {
namespace {

// What is compared, by medians.
enum class What : uint8_t {
  kCycles,  // cycles a second, as many as the peer's; at least
  kByCpu,   // cycles of a second of the server's CPU; at least
  kCpu,     // CPU time of a cycle, as much as the peer's; at most
  kP50,     // latencies of a cycle; at most
  kP99,
};

struct Goal {
  std::string_view cell;
  std::string_view ours;
  std::string_view peer_cell;
  std::string_view peer;
  What what;
  double goal;  // of ours to the peer's; 0: told, and no goal
};

constexpr std::string_view kOneCall = "1 outstanding";
constexpr std::string_view k1x64 = "64 outstanding, 1x64";
constexpr std::string_view k8x8 = "64 outstanding, 8x8";
constexpr std::string_view k64x1 = "64 outstanding, 64x1";
constexpr std::string_view kStream = "streamed 64";
constexpr std::string_view kFolded = "streamed 64, folded";
constexpr std::string_view kBatch = "batch 64, 8x1";

constexpr std::array<Goal, 42> kGoals = {{
    // Engine grpc.
    {kBatch, kVolatile, kBatch, kRedisLua, What::kCycles, 0},
    {kStream, kVolatile, kStream, kRedisLua, What::kCycles, 0},
    {kFolded, kVolatile, kStream, kRedisLua, What::kCycles, 0},
    {k1x64, kVolatile, k1x64, kEcho, What::kCycles, 0.97},
    {k8x8, kVolatile, k8x8, kEcho, What::kCycles, 0.97},
    {k1x64, kVolatile, k64x1, kRedisLua, What::kCycles, 0},
    {k8x8, kVolatile, k64x1, kRedisLua, What::kCycles, 0},
    {k64x1, kVolatile, k64x1, kRedisLua, What::kCycles, 0},
    {kOneCall, kVolatile, kOneCall, kRedisLua, What::kCycles, 0},
    {kBatch, kVolatile, kBatch, kRedisBulk, What::kCycles, 0},
    {kBatch, kVolatile, kBatch, kRedisPlain, What::kCycles, 0},
    {k1x64, kProcess, k1x64, kVolatile, What::kCycles, 0},
    {kBatch, kProcess, kBatch, kVolatile, What::kCycles, 0},
    {kFolded, kProcess, kFolded, kVolatile, What::kCycles, 0},
    // Engine h2, the default.
    {k1x64, kH2, k1x64, kEcho, What::kCpu, 0.2},
    {k1x64, kH2, k1x64, kBareH2, What::kCpu, 1.3},
    {k1x64, kH2, k1x64, kEchoH2, What::kCpu, 0},
    {k1x64, kEchoH2, k1x64, kBareH2, What::kCpu, 0},
    {k8x8, kH2, k8x8, kEcho, What::kCpu, 0.3},
    {k8x8, kH2, k8x8, kBareH2, What::kCpu, 0},
    {k64x1, kH2, k64x1, kBareH2, What::kCpu, 0},
    {kStream, kH2, kStream, kEcho, What::kCycles, 8},
    {kStream, kEchoH2, kStream, kEcho, What::kCycles, 0},
    {kStream, kH2, kStream, kVolatile, What::kCycles, 0},
    {kFolded, kH2, kFolded, kVolatile, What::kCycles, 0},
    {kBatch, kH2, kBatch, kVolatile, What::kCycles, 2},
    {kBatch, kH2, kBatch, kRedisLua, What::kCycles, 4},
    {kStream, kH2, kStream, kRedisLua, What::kCycles, 2.5},
    {kFolded, kH2, kStream, kRedisLua, What::kCycles, 2.5},
    {k1x64, kH2, k64x1, kRedisLua, What::kByCpu, 5},
    {k1x64, kH2, k64x1, kRedisPlain, What::kByCpu, 3},
    {k8x8, kH2, k64x1, kRedisLua, What::kByCpu, 3},
    {k8x8, kH2, k64x1, kRedisPlain, What::kByCpu, 2},
    {kStream, kH2, kStream, kRedisPlain, What::kByCpu, 1},
    {kFolded, kH2, kStream, kRedisPlain, What::kByCpu, 1},
    {kOneCall, kH2, kOneCall, kBareTcp, What::kP50, 1.25},
    {kOneCall, kH2, kOneCall, kBareTcp, What::kP99, 1.25},
    {kOneCall, kH2Busy, kOneCall, kBareTcp, What::kP50, 1},
    {kOneCall, kH2Busy, kOneCall, kRedisPlain, What::kP50, 1},
    {kOneCall, kBareH2, kOneCall, kBareTcp, What::kP50, 0},
    {kOneCall, kH2, kOneCall, kBareH2, What::kP50, 0},
    {kOneCall, kH2, kOneCall, kVolatile, What::kP50, 0},
}};

struct Ratio {
  const char* name;
  double value;
  bool at_least;
};

Ratio RatioOf(What what, const Figure& ours, const Figure& peer) {
  switch (what) {
    case What::kCycles:
      return {"cycles/s", ours.cycles_per_s / peer.cycles_per_s, true};
    case What::kByCpu:
      return {"cycles/CPU s", peer.server_cpu_us / ours.server_cpu_us, true};
    case What::kCpu:
      return {"CPU", ours.server_cpu_us / peer.server_cpu_us, false};
    case What::kP50:
      return {"p50", ours.p50_us / peer.p50_us, false};
    case What::kP99:
      break;
  }
  return {"p99", ours.p99_us / peer.p99_us, false};
}

void Print(std::string_view text, int width) {
  std::printf("%-*.*s ", width, static_cast<int>(text.size()), text.data());
}

}  // namespace

void PrintGoals(const Matrix& matrix) {
  std::printf("\n%-20s %-20s %-12s %-20s %-22s %8s %6s %6s\n", "Goals", "", "", "as much as", "",
              "goal", "here", "by CPU");
  for (const Goal& goal : kGoals) {
    const Figure* const ours = matrix.Find(goal.cell, goal.ours);
    const Figure* const peer = matrix.Find(goal.peer_cell, goal.peer);
    if (ours == nullptr || peer == nullptr) continue;
    const Ratio ratio = RatioOf(goal.what, *ours, *peer);
    Print(goal.cell, 20);
    Print(goal.ours, 20);
    Print(ratio.name, 12);
    Print(goal.peer_cell, 20);
    Print(goal.peer, 22);
    const char* const met = (ratio.value >= goal.goal) == ratio.at_least ? "  met" : "  missed";
    if (goal.goal == 0) {
      std::printf("%8s %6.2f", "-", ratio.value);
    } else {
      std::printf("%2s %5.2f %6.2f", ratio.at_least ? ">=" : "<=", goal.goal, ratio.value);
    }
    // Of a server that has its CPU to itself and is never idle, it would be the same.
    if (goal.what == What::kCycles) {
      std::printf(" %6.2f", RatioOf(What::kByCpu, *ours, *peer).value);
    } else {
      std::printf(" %6s", "");
    }
    std::printf("%s\n", goal.goal == 0 ? "" : met);
  }
}

}  // namespace objpool::bench
