// rpc_bench: objpoold against its peers, all in one run. tests/bench/README.md tells how to read
// it.
#include <sched.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/rpc/contender.h"
#include "tests/bench/rpc/matrix.h"
#include "tests/bench/rpc/options.h"
#include "tests/bench/rpc/report.h"
#include "tests/support/temp_folder.h"

namespace objpool::bench {
namespace {

// Those that this process may use.
std::vector<uint32_t> UsableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<uint32_t> cpus;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

// Of the servers and of the load, which is this thread.
std::vector<uint32_t> TakeCpus(const Options& options) {
  const std::vector<uint32_t> usable = UsableCpus();
  std::vector<uint32_t> cpus = options.cpus;
  if (cpus.empty()) cpus = {usable.front(), usable.size() > 1 ? usable[1] : usable.front()};
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpus[1], &set);
  if (::sched_setaffinity(0, sizeof(set), &set) != 0) std::printf("The load is not pinned.\n");
  std::printf("Servers on CPU %u, load on CPU %u, %u rounds of %.2f s.\n", cpus[0], cpus[1],
              options.rounds, std::chrono::duration<double>(options.time).count());
  if (options.spin) std::printf("The load does not sleep.\n");
  if (cpus[0] == cpus[1]) std::printf("Both share a CPU: cycles/s are of the two together.\n");
  return cpus;
}

bool Wanted(const Options& options, std::string_view part) {
  return part.find(options.filter) != std::string_view::npos;
}

// Those that are there, running. False where one of our own is not.
bool StartAll(const Site& site, Contenders& contenders) {
  Contenders all;
  AddGrpc(all);
  AddTcp(all);
  const std::size_t own = all.size();
  AddRedis(all);
  AddEtcd(all);
  bool sound = true;
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::string why;
    if (all[i]->Start(site, why)) {
      contenders.push_back(std::move(all[i]));
      continue;
    }
    std::printf("Left out: %s: %s\n", all[i]->name().c_str(), why.c_str());
    sound = sound && i >= own;
  }
  return sound;
}

// Runs everything; returns whether every answer was right and the file was written.
bool RunMatrix(const Options& options, const Contenders& contenders) {
  const std::vector<Cell> cells = AllCells();
  Matrix matrix(cells, contenders, [&](const Cell& cell, const Contender& contender) {
    return Wanted(options, cell.name) || Wanted(options, contender.name());
  });
  for (uint32_t round = 0; round < options.rounds; ++round) {
    matrix.RunRound(round, {.time = options.time, .spin = options.spin});
    std::fprintf(stderr, "round %u of %u\n", round + 1, options.rounds);
  }
  matrix.Summarize();
  PrintTables(cells, contenders, matrix);
  PrintGoals(matrix);
  std::printf("\nServers waited for their CPU for %.1f %% of the time (median run).\n",
              100 * matrix.waited_share());
  for (const std::string& broken : matrix.broken()) std::printf("BROKEN: %s\n", broken.c_str());
  const bool written = options.json.empty() || WriteJson(options.json, cells, contenders, matrix);
  if (!written) std::fprintf(stderr, "rpc_bench: cannot write %s\n", options.json.c_str());
  return matrix.broken().empty() && written;
}

int Main(const std::vector<std::string>& arguments) {
  (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::string why;
  const std::optional<Options> options = ParseOptions(arguments, why);
  if (!options.has_value()) {
    std::fprintf(stderr, "rpc_bench: %s\nUsage: %s\n", why.c_str(), kUsage);
    return 2;
  }
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const testing::TempFolder folder;
  const std::vector<uint32_t> cpus = TakeCpus(*options);
  Contenders contenders;
  const bool started = StartAll(
      {.server_cpu = cpus[0], .bin_folder = self.parent_path().string(), .folder = folder.path()},
      contenders);
  const bool sound = RunMatrix(*options, contenders);
  contenders.clear();  // before their folder
  return started && sound ? 0 : 1;
}

}  // namespace
}  // namespace objpool::bench

int main(int argc, char** argv) {
  (void)std::signal(SIGPIPE, SIG_IGN);
  return objpool::bench::Main(std::vector<std::string>(argv + 1, argv + argc));
}
