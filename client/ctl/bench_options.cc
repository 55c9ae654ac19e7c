// The command line of bench: how much the server can do.
#include <map>

#include "client/ctl/command_set.h"
#include "client/ctl/option_kinds.h"

namespace objpool::client {
namespace {

void AddRun(CLI::App& bench, CommandSet& set) {
  bench.add_option("--pool", set.bench.pool, "Where from [the pool of most capacity]")
      ->check(CheckPool, "", "");
  AddDuration(bench, "--duration", Milliseconds(1), set.bench.duration, "How long [10s]");
  bench.add_option("--count", set.bench.count, "How many cycles to try, instead of --duration")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->excludes("--duration");
  AddDuration(
      bench, "--warmup", Milliseconds(0),
      [&set](Milliseconds time) {
        set.bench.warmup = time;
        set.warmup_given = true;
      },
      "How long before measuring [1s; with --count 0ms]");
  bench.add_option("--connections", set.bench.connections, "How many connections")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBenchConnections));
  bench.add_option("--clients", set.bench.clients, "How many loops at once, over the connections")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBenchClients));
  bench.add_option("--batch", set.bench.batch, "How many handles in a call")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBatch));
  AddDuration(bench, "--hold", Milliseconds(0), set.bench.hold, "From lease to return [0ms]");
  AddDuration(bench, "--ttl", Milliseconds(1), set.bench.ttl, "Of each lease [the pool's default]");
  bench.add_flag("--progress", set.bench.progress,
                 "Write a line each second also where the standard error is no terminal");
}

void AddRate(CLI::App& bench, CommandSet& set) {
  bench
      .add_option("--rate", set.bench.rate,
                  "Begin so many cycles in a second, whatever the answers take, and count from "
                  "when each was meant to begin [0: each client waits for its answer]")
      ->check(CLI::Range(0.0, kMaxBenchRate))
      ->excludes("--count")
      ->excludes("--clients");
  bench.add_flag("--uniform", set.bench.uniform, "With --rate: evenly [at random]")
      ->needs("--rate");
  AddDuration(bench, "--ramp", Milliseconds(0), set.bench.ramp,
              "With --rate: how long it rises from nothing, before the warm-up [0ms]")
      ->needs("--rate");
  const std::map<std::string, HoldDistribution> distributions = {
      {"fixed", HoldDistribution::kFixed},
      {"uniform", HoldDistribution::kUniform},
      {"exp", HoldDistribution::kExponential}};
  bench
      .add_option_function<std::string>(
          "--hold-dist",
          [&set, distributions](const std::string& word) {
            set.bench.hold_distribution = distributions.at(word);
          },
          "With --rate: how holds differ: not, from 0 to twice --hold, or exponentially [fixed]")
      ->type_name("fixed|uniform|exp")
      ->check(CLI::IsMember({"fixed", "uniform", "exp"}), "", "")
      ->needs("--rate");
  bench
      .add_option("--renews", set.bench.renews,
                  "With --rate: renew so often within each hold, evenly")
      ->capture_default_str()
      ->check(CLI::Range(0u, kMaxBenchRenews))
      ->needs("--rate");
  bench
      .add_option("--html", set.bench.html,
                  "With --rate: write the result as a page with curves here too")
      ->type_name("FILE")
      ->needs("--rate");
  bench
      .add_flag("--verify", set.bench.verify,
                "With --rate: check every answer; the pool must be ours alone")
      ->needs("--rate");
  bench.add_option("--seed", set.bench.seed, "With --rate: of what is random")->needs("--rate");
}

}  // namespace

void AddBenchCommands(CommandSet& set) {
  CLI::App* bench = set.Add(
      set.app, "bench", "Measure the server: each client leases, holds and returns, over and over",
      [&set](const Target& target, Console& console) {
        // Without --count a run warms up; with it, exactly so many cycles are tried.
        if (set.bench.count != 0 && !set.warmup_given) set.bench.warmup = Milliseconds(0);
        return RunBench(set.bench, target, console);
      });
  AddRun(*bench, set);
  AddRate(*bench, set);
  bench->footer(
      Example("  objpoolctl bench --pool ports --duration 5s --clients 16\n"
              "  objpoolctl bench --count 100000 --output json > result.json\n"
              "  objpoolctl bench --rate 5000 --hold 20ms --hold-dist exp --verify\n"
              "  objpoolctl bench --rate 2000 --ramp 5s --hold 1s --renews 4 --html result.html"));
}

}  // namespace objpool::client
