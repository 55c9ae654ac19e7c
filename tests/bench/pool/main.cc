// pool_bench: objpool's pool against its peers, all in one run. tests/bench/README.md tells how to
// read it.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pool/topology.h"
#include "tests/bench/pool/floors.h"
#include "tests/bench/pool/goals.h"
#include "tests/bench/pool/matrix.h"
#include "tests/bench/pool/options.h"
#include "tests/bench/pool/registry.h"
#include "tests/bench/pool/report.h"
#include "tests/bench/pool/scaling.h"
#include "tests/bench/pool/tail.h"

namespace objpool::bench {
namespace {

// One hardware thread of each core first, then the others.
std::vector<uint32_t> UsableCpus(const Topology& topology) {
  std::vector<uint32_t> first;
  std::vector<uint32_t> rest;
  std::vector<uint32_t> cores;
  for (const Cpu& cpu : topology.cpus()) {
    const bool seen = std::find(cores.begin(), cores.end(), cpu.core) != cores.end();
    (seen ? rest : first).push_back(cpu.os_index);
    cores.push_back(cpu.core);
  }
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

// Two of them; one twice where there is no other.
std::vector<uint32_t> CpusOfCells(const Options& options, const std::vector<uint32_t>& usable) {
  std::vector<uint32_t> cpus = options.cpus;
  if (cpus.empty()) cpus = {usable.front(), usable[std::min<std::size_t>(1, usable.size() - 1)]};
  if (cpus[0] == cpus[1]) std::printf("Only one CPU: cells of two threads say nothing here.\n");
  std::printf("CPUs %u and %u, %u rounds\n", cpus[0], cpus[1], options.rounds);
  return cpus;
}

bool Wanted(const Options& options, std::string_view part) {
  return part.find(options.filter) != std::string_view::npos;
}

// Runs everything; returns whether every pool kept its handles and the file was written.
bool RunMatrix(const Options& options, const Contenders& contenders,
               const std::vector<uint32_t>& cpus) {
  const std::vector<Setting> settings = AllSettings();
  Matrix matrix(settings, contenders, [&](const Cell& cell, const Contender& contender) {
    return Wanted(options, cell.name) || Wanted(options, contender.name());
  });
  for (uint32_t round = 0; round < options.rounds; ++round) {
    matrix.RunRound(round, cpus);
    std::fprintf(stderr, "round %u of %u\n", round + 1, options.rounds);
  }
  matrix.Summarize();
  PrintTables(settings, contenders, matrix);
  PrintGoals(settings, contenders, matrix);
  std::printf("Others had the CPU for %.1f %% of the time (median run).\n",
              100 * matrix.waited_share());
  for (const std::string& broken : matrix.broken()) std::printf("BROKEN: %s\n", broken.c_str());
  const bool written =
      options.json.empty() || WriteJson(options.json, settings, contenders, matrix);
  if (!written) std::fprintf(stderr, "pool_bench: cannot write %s\n", options.json.c_str());
  return matrix.broken().empty() && written;
}

int Main(const std::vector<std::string>& arguments) {
  (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::string why;
  const std::optional<Options> options = ParseOptions(arguments, why);
  if (!options.has_value()) {
    std::fprintf(stderr, "pool_bench: %s\nUsage: %s\n", why.c_str(), kUsage);
    return 2;
  }
  const std::optional<Topology> topology = Topology::Detect(why);
  if (!topology.has_value()) {
    std::fprintf(stderr, "pool_bench: %s\n", why.c_str());
    return 1;
  }
  const std::vector<uint32_t> usable = UsableCpus(*topology);
  const std::vector<uint32_t> cpus = CpusOfCells(*options, usable);
  const Registry registry = MakeRegistry(cpus[0]);
  for (const std::string& missing : registry.missing) std::printf("%s.\n", missing.c_str());
  if (options->scaling) {
    return PrintScaling(registry.contenders, usable, options->rounds) ? 0 : 1;
  }
  if (Wanted(*options, "floors")) PrintFloors(cpus, options->rounds);
  const bool sound = RunMatrix(*options, registry.contenders, cpus);
  if (Wanted(*options, "tail")) PrintTail(cpus);
  return sound ? 0 : 1;
}

}  // namespace
}  // namespace objpool::bench

int main(int argc, char** argv) {
  return objpool::bench::Main(std::vector<std::string>(argv + 1, argv + argc));
}
