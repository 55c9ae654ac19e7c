// Goals: what this server wants to be against its peers.
#include <array>
#include <cstdio>
#include <string_view>

#include "tests/bench/rpc/report.h"

namespace objpool::bench {
namespace {

struct Goal {
  std::string_view cell;
  std::string_view ours;
  std::string_view peer_cell;
  std::string_view peer;
  double times_as_many;  // cycles a second, by medians; 0: told, and no goal
};

constexpr std::string_view kOneCall = "1 outstanding";
constexpr std::string_view k1x64 = "64 outstanding, 1x64";
constexpr std::string_view k8x8 = "64 outstanding, 8x8";
constexpr std::string_view k64x1 = "64 outstanding, 64x1";
constexpr std::string_view kStream = "streamed 64";
constexpr std::string_view kFolded = "streamed 64, folded";
constexpr std::string_view kBatch = "batch 64, 8x1";

constexpr std::array<Goal, 26> kGoals = {{
    {kBatch, kVolatile, kBatch, kRedisLua, 4},
    {kStream, kVolatile, kStream, kRedisLua, 2.5},
    {kFolded, kVolatile, kStream, kRedisLua, 2.5},
    {k1x64, kVolatile, k1x64, kEcho, 0.97},
    {k8x8, kVolatile, k8x8, kEcho, 0.97},
    {k1x64, kVolatile, k64x1, kRedisLua, 0},
    {k8x8, kVolatile, k64x1, kRedisLua, 0},
    {k64x1, kVolatile, k64x1, kRedisLua, 0},
    {kOneCall, kVolatile, kOneCall, kRedisLua, 0},
    {kBatch, kVolatile, kBatch, kRedisBulk, 0},
    {kBatch, kVolatile, kBatch, kRedisPlain, 0},
    {kStream, kVolatile, kStream, kRedisPlain, 0},
    {kFolded, kVolatile, kStream, kRedisPlain, 0},
    {k1x64, kProcess, k1x64, kVolatile, 0},
    {kBatch, kProcess, kBatch, kVolatile, 0},
    {kFolded, kProcess, kFolded, kVolatile, 0},
    {kOneCall, kH2, kOneCall, kVolatile, 0},
    {k1x64, kH2, k1x64, kVolatile, 0},
    {k8x8, kH2, k8x8, kVolatile, 0},
    {k64x1, kH2, k64x1, kVolatile, 0},
    {kStream, kH2, kStream, kVolatile, 0},
    {kFolded, kH2, kFolded, kVolatile, 0},
    {kBatch, kH2, kBatch, kVolatile, 0},
    {k1x64, kH2, k1x64, kEchoH2, 0},
    {k1x64, kH2, k64x1, kRedisLua, 0},
    {k1x64, kH2, k64x1, kRedisPlain, 0},
}};

void Print(std::string_view text, int width) {
  std::printf("%-*.*s ", width, static_cast<int>(text.size()), text.data());
}

}  // namespace

void PrintGoals(const Matrix& matrix) {
  std::printf("\n%-20s %-20s %-20s %-22s %6s %6s %6s\n", "Goals", "", "cycles/s, as many as", "",
              "goal", "here", "by CPU");
  for (const Goal& goal : kGoals) {
    const Figure* const ours = matrix.Find(goal.cell, goal.ours);
    const Figure* const peer = matrix.Find(goal.peer_cell, goal.peer);
    if (ours == nullptr || peer == nullptr) continue;
    const double ratio = ours->cycles_per_s / peer->cycles_per_s;
    Print(goal.cell, 20);
    Print(goal.ours, 20);
    Print(goal.peer_cell, 20);
    Print(goal.peer, 22);
    // Of a server that has its CPU to itself and is never idle, it would be the same.
    const double by_cpu = peer->server_cpu_us / ours->server_cpu_us;
    if (goal.times_as_many == 0) {
      std::printf("%6s %6.2f %6.2f\n", "-", ratio, by_cpu);
    } else {
      std::printf("%6.2f %6.2f %6.2f  %s\n", goal.times_as_many, ratio, by_cpu,
                  ratio >= goal.times_as_many ? "met" : "missed");
    }
  }
}

}  // namespace objpool::bench
