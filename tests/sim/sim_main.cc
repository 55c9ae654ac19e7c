// Goal: no order of steps, crash or fault makes the lease core break a promise. Method: worlds out
// of seeds (README.md). What is found is printed with its seed, and as few rounds as show it.
//
//   sim [--seeds N] [--from FIRST] [--rounds N]     so many worlds, one after the other
//   sim --seed N [--trace] [--rounds N]             one, and all that happened in it
//   --brief      what is found is only named
//   --gives-up   the disk's kernel forgets what it could not write (README.md)
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/sim/minimize.h"
#include "tests/sim/world.h"
#include "tests/support/temp_folder.h"

namespace {

using objpool::sim::World;

struct Arguments {
  uint64_t from = 1;
  uint64_t seeds = 1;
  uint32_t rounds = 60;
  bool trace = false;
  bool gives_up = false;
  bool brief = false;
};

bool Parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--trace") {
      arguments.trace = true;
      continue;
    }
    if (name == "--gives-up") {
      arguments.gives_up = true;
      continue;
    }
    if (name == "--brief") {
      arguments.brief = true;
      continue;
    }
    if (i + 1 == argc) return false;
    const uint64_t value = std::strtoull(argv[++i], nullptr, 10);
    if (name == "--seed") {
      arguments.from = value;
      arguments.seeds = 1;
    } else if (name == "--seeds") {
      arguments.seeds = value;
    } else if (name == "--from") {
      arguments.from = value;
    } else if (name == "--rounds") {
      arguments.rounds = static_cast<uint32_t>(value);
    } else {
      return false;
    }
  }
  return true;
}

// Now and then a seed is run again, which has to go the same way.
constexpr uint64_t kAgainEvery = 16;

bool IsSameAgain(World::Options options, const World& before) {
  options.folder += "-again";  // the other one's is still locked
  World again(options);
  return again.Run() && again.counts() == before.counts();
}

void Print(const World& world) {
  for (const std::string& line : world.trace()) std::printf("%s\n", line.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, arguments)) {
    std::fprintf(stderr,
                 "usage: sim [--seed N | --from N --seeds N] [--rounds N] [--trace] [--brief] "
                 "[--gives-up]\n");
    return 2;
  }
  // There is only a lock file in it, which is opened at each start: in memory, where there is some.
  if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
  const objpool::testing::TempFolder folder;
  World::Counts counts;
  for (uint64_t seed = arguments.from; seed < arguments.from + arguments.seeds; ++seed) {
    const World::Options options = {.seed = seed,
                                    .rounds = arguments.rounds,
                                    .skip = {},
                                    .trace = arguments.trace,
                                    .gives_up = arguments.gives_up,
                                    .folder = folder / "state"};
    World world(options);
    const bool fine = world.Run();
    counts.Add(world.counts());
    if (arguments.trace) Print(world);
    if (fine && (seed % kAgainEvery != 0 || IsSameAgain(options, world))) continue;
    if (fine) {
      std::printf("seed %llu: goes another way when it is run again\n",
                  static_cast<unsigned long long>(seed));
      return 1;
    }
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), world.failure().c_str());
    if (!arguments.trace && !arguments.brief) objpool::sim::PrintShortest(options, world);
    std::printf("again: sim --seed %llu --rounds %u --trace\n",
                static_cast<unsigned long long>(seed), arguments.rounds);
    return 1;
  }
  std::printf(
      "%llu seeds: %llu operations, %llu grants, %llu waits, %llu sessions ended; %llu kills, %llu "
      "power cuts, %llu stops, %llu starts of which %llu failed; %llu steps; 0 violations\n",
      static_cast<unsigned long long>(arguments.seeds),
      static_cast<unsigned long long>(counts.operations),
      static_cast<unsigned long long>(counts.grants), static_cast<unsigned long long>(counts.waits),
      static_cast<unsigned long long>(counts.sessions),
      static_cast<unsigned long long>(counts.kills),
      static_cast<unsigned long long>(counts.power_cuts),
      static_cast<unsigned long long>(counts.stops), static_cast<unsigned long long>(counts.starts),
      static_cast<unsigned long long>(counts.failed_starts),
      static_cast<unsigned long long>(counts.steps));
  return 0;
}
