#include "tests/sim/minimize.h"

#include <cstdio>
#include <set>
#include <string>

namespace objpool::sim {
namespace {

// What was found, but for its numbers.
std::string RuleOf(const std::string& failure) {
  std::string rule;
  for (const char c : failure.substr(0, failure.find(" (by"))) {
    if (c < '0' || c > '9') rule += c;
  }
  return rule.substr(0, rule.find(';'));
}

}  // namespace

// Many rounds at once first, then single ones, then their operations. From the last one on: what is
// far back matters least.
void PrintShortest(World::Options options, const World& found) {
  const std::string rule = RuleOf(found.failure());
  const std::string folder = options.folder;
  uint32_t runs = 0;
  const uint32_t end = found.failed_in();
  if (end < options.rounds) options.rounds = end + 1;
  const auto leave_out = [&](const std::set<uint64_t>& more) {
    World::Options fewer = options;
    fewer.skip.insert(more.begin(), more.end());
    if (fewer.skip.size() == options.skip.size()) return;
    // Each in a folder of its own: what failed may hold its lock until the end.
    fewer.folder = folder + std::to_string(++runs);
    World world(fewer);
    if (!world.Run() && RuleOf(world.failure()) == rule) options.skip = fewer.skip;
  };
  for (const uint32_t piece : {16u, 4u, 1u, 1u}) {
    for (uint32_t last = options.rounds; last > 0;) {
      const uint32_t first = last > piece ? last - piece : 0;
      std::set<uint64_t> rounds;
      for (uint32_t round = first; round < last; ++round) rounds.insert(round);
      leave_out(rounds);
      last = first;
    }
  }
  for (uint32_t round = options.rounds; round-- > 0;) {
    if (options.skip.contains(round)) continue;
    for (uint32_t n = World::kMostOperations; n-- > 0;) leave_out({World::Piece(round, n)});
  }
  options.folder = folder + "0";
  options.trace = true;
  World shortest(options);
  (void)shortest.Run();
  for (const std::string& line : shortest.trace()) std::printf("%s\n", line.c_str());
}

}  // namespace objpool::sim
