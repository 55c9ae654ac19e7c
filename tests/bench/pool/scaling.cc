#include "tests/bench/pool/scaling.h"

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/bench/pool/matrix.h"

namespace objpool::bench {
namespace {

constexpr std::array<uint32_t, 5> kThreads = {1, 2, 4, 8, 16};
constexpr uint32_t kCapacity = 65536;

bool Scales(const std::string& name) {
  return name.starts_with("objpool") || name == kKernelName || name == "rte_mempool+cache";
}

}  // namespace

bool PrintScaling(const Contenders& contenders, std::span<const uint32_t> cpus, uint32_t rounds) {
  std::vector<Setting> settings;
  std::string skipped;
  for (const uint32_t threads : kThreads) {
    if (threads > cpus.size()) {
      skipped += " " + std::to_string(threads);
      continue;
    }
    settings.push_back({{.name = std::to_string(threads) + "T", .threads = threads}, kCapacity});
  }
  Matrix matrix(settings, contenders,
                [](const Cell&, const Contender& contender) { return Scales(contender.name()); });
  for (uint32_t round = 0; round < rounds; ++round) matrix.RunRound(round, cpus);
  matrix.Summarize();

  std::printf("\nScaling, capacity %u: thread-ns for a pair, median (million pairs a second)\n",
              kCapacity);
  std::printf("%-24s", "");
  for (const Setting& setting : settings) std::printf(" %18s", setting.cell.name.c_str());
  std::printf("\n");
  for (std::size_t c = 0; c < contenders.size(); ++c) {
    if (!Scales(contenders[c]->name())) continue;
    std::printf("%-24s", contenders[c]->name().c_str());
    for (std::size_t s = 0; s < settings.size(); ++s) {
      const Figure* const figure = matrix.Find(s, c);
      if (figure == nullptr) {
        std::printf(" %18s", "-");
        continue;
      }
      std::printf(" %8.2f (%7.0f)", figure->median_ns,
                  1e3 * settings[s].cell.threads / figure->median_ns);
    }
    std::printf("\n");
  }
  if (!skipped.empty()) {
    std::printf("Skipped, for want of CPUs (%zu):%s threads\n", cpus.size(), skipped.c_str());
  }
  for (const std::string& broken : matrix.broken()) std::printf("BROKEN: %s\n", broken.c_str());
  return matrix.broken().empty();
}

}  // namespace objpool::bench
