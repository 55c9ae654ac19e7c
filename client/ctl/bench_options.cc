// The command line of bench: how much the server can do.
#include <map>
#include <string>
#include <vector>

#include "client/ctl/command_set.h"
#include "client/ctl/option_kinds.h"

namespace objpool::client {
namespace {

void AddRun(CLI::App& bench, CommandSet& set) {
  bench.add_option("--pool", set.bench.pool, "Where from [the pool of most capacity]")
      ->check(CheckPool, "", "");
  AddDuration(
      bench, "--duration", Milliseconds(1),
      [&set](Milliseconds time) {
        set.bench.duration = time;
        set.duration_given = true;
      },
      "How long [10s; of each trial of --find-max 2s]");
  bench.add_option("--count", set.bench.count, "How many cycles to try, instead of --duration")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->excludes("--duration");
  AddDuration(
      bench, "--warmup", Milliseconds(0),
      [&set](Milliseconds time) {
        set.bench.warmup = time;
        set.warmup_given = true;
      },
      "How long before measuring [1s; with --count 0ms; with --find-max 500ms]");
  bench.add_option("--connections", set.bench.connections, "How many connections")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBenchConnections));
  bench.add_option("--clients", set.bench.clients, "How many loops at once, over the connections")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBenchClients));
  bench.add_option("--batch", set.bench.batch, "How many handles in a call")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBatch));
  AddDuration(
      bench, "--hold", Milliseconds(0),
      [&set](Milliseconds time) {
        set.bench.hold = time;
        set.bench.hold_given = true;
      },
      "From lease to return [0ms, or the scenario's]");
  AddDuration(bench, "--ttl", Milliseconds(1), set.bench.ttl,
              "Of each lease [the pool's default, or the scenario's]");
  bench.add_flag("--progress", set.bench.progress,
                 "Write a line each second also where the standard error is no terminal");
  bench.add_option("--html", set.bench.html, "Write the result as a page with curves here too")
      ->type_name("FILE");
}

// Of each trial of --find-max.
constexpr Milliseconds kTrialDuration{2000};
constexpr Milliseconds kTrialWarmup{500};

constexpr const char* kOpen = "With --rate, --scenario or --find-max";

void AddArrivals(CLI::App& bench, CommandSet& set) {
  bench
      .add_option("--rate", set.bench.rate,
                  "Begin so many cycles in a second, whatever the answers take, and count from "
                  "when each was meant to begin [0: each client waits for its answer]")
      ->check(CLI::Range(0.0, kMaxBenchRate))
      ->excludes("--count")
      ->excludes("--clients");
  const std::map<std::string, BenchScenario> scenarios = {
      {"steady", BenchScenario::kSteady},
      {"burst", BenchScenario::kBurst},
      {"avalanche", BenchScenario::kAvalanche},
      {"crash-clients", BenchScenario::kCrashClients},
      {"exhaust", BenchScenario::kExhaust},
      {"steal-heavy", BenchScenario::kStealHeavy},
      {"thundering-renew", BenchScenario::kThunderingRenew}};
  std::vector<std::string> names;
  std::string shown;
  for (const auto& [name, scenario] : scenarios) {
    names.push_back(name);
    shown += (shown.empty() ? "" : "|") + name;
  }
  bench
      .add_option_function<std::string>(
          "--scenario",
          [&set, scenarios](const std::string& word) { set.bench.scenario = scenarios.at(word); },
          "With --rate [1000]: what else happens, see below")
      ->type_name(shown)
      ->check(CLI::IsMember(names), "", "")
      ->excludes("--count")
      ->excludes("--clients");
  bench
      .add_option("--find-max", set.bench.find_max_us,
                  "Find the highest rate at which leases take at most so many microseconds at p99, "
                  "from --rate [1000] on, by short trials")
      ->type_name("US")
      ->check(CLI::Range(1.0, kMaxFindUs))
      ->excludes("--count")
      ->excludes("--clients")
      ->excludes("--html")
      ->excludes("--scenario");
  bench.add_flag("--uniform", set.bench.uniform, "Arrivals come evenly [at random]")->group(kOpen);
  AddDuration(bench, "--ramp", Milliseconds(0), set.bench.ramp,
              "How long the rate rises from nothing, before the warm-up [0ms]")
      ->group(kOpen);
}

void AddCycles(CLI::App& bench, CommandSet& set) {
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
          "How holds differ: not, from 0 to twice --hold, or exponentially [fixed]")
      ->type_name("fixed|uniform|exp")
      ->check(CLI::IsMember({"fixed", "uniform", "exp"}), "", "")
      ->group(kOpen);
  bench.add_option("--renews", set.bench.renews, "Renew so often within each hold, evenly")
      ->capture_default_str()
      ->check(CLI::Range(0u, kMaxBenchRenews))
      ->group(kOpen);
  bench
      .add_option("--renew-rate", set.bench.renew_rate,
                  "Renew so often in a second, each time one of those that are held [as --renews]")
      ->check(CLI::Range(0.0, kMaxBenchRate))
      ->excludes("--renews")
      ->group(kOpen);
  bench
      .add_option("--return-rate", set.bench.return_rate,
                  "Return so often in a second, likewise; the rest at the end [after --hold]")
      ->check(CLI::Range(0.0, kMaxBenchRate))
      ->excludes("--renews")
      ->excludes("--hold")
      ->excludes("--hold-dist")
      ->group(kOpen);
  bench
      .add_flag("--stream", set.bench.stream,
                "Ask by operations of a Session on each connection [by calls]")
      ->group(kOpen);
  bench.add_flag("--verify", set.bench.verify, "Check every answer; the pool must be ours alone")
      ->group(kOpen);
  bench
      .add_option("--threads", set.bench.threads,
                  "How many threads share the arrivals and the connections")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBenchThreads))
      ->excludes("--verify")
      ->group(kOpen);
  bench.add_option("--seed", set.bench.seed, "Of what is random [another each time]")->group(kOpen);
}

constexpr const char* kScenarios =
    "Scenarios:\n"
    "  steady            nothing else\n"
    "  burst             all arrivals of a second come in its first tenth\n"
    "  avalanche         all that was leased within each --hold [1s] comes back at one moment;\n"
    "                    connections that the server breaks, by a restart, are made anew\n"
    "  crash-clients     each 500ms a connection breaks with what it holds, which has to come\n"
    "                    back by its --ttl [2s]\n"
    "  exhaust           twice as many handles are wanted as there are [by --hold]\n"
    "  steal-heavy       one connection leases, the others return, and most of the pool is held\n"
    "  thundering-renew  each second all that is held is renewed at one moment\n";

// Nothing, or which option is given in vain.
std::string WithoutArrivals(const CLI::App& bench) {
  for (const CLI::Option* option : bench.get_options()) {
    if (option->get_group() == kOpen && option->count() != 0) {
      return option->get_name() + " needs --rate, --scenario or --find-max";
    }
  }
  return {};
}

Exit Bench(const CLI::App& bench, CommandSet& set, const Target& target, Console& console) {
  if (!set.bench.open()) {
    if (const std::string why = WithoutArrivals(bench); !why.empty()) {
      return Fail(console, Exit::kUsage, why + "; see objpoolctl bench --help");
    }
  }
  if (set.bench.threads > set.bench.connections) {
    return Fail(console, Exit::kUsage,
                "--threads: must be from 1 to --connections, which is " +
                    std::to_string(set.bench.connections) + "; got " +
                    std::to_string(set.bench.threads));
  }
  if (set.bench.find_max_us > 0) {
    if (!set.duration_given) set.bench.duration = kTrialDuration;
    if (!set.warmup_given) set.bench.warmup = kTrialWarmup;
  }
  // Without --count a run warms up; with it, exactly so many cycles are tried.
  if (set.bench.count != 0 && !set.warmup_given) set.bench.warmup = Milliseconds(0);
  return RunBench(set.bench, target, console);
}

void AddCompare(CLI::App& bench, CommandSet& set) {
  CLI::App* compare = set.Add(bench, "compare", "Say whether the second of two results is worse",
                              [&set](const Target& target, Console& console) {
                                return RunCompare(set.compare, target.json, console);
                              });
  compare->add_option("BEFORE", set.compare.before, "What bench --rate --output json wrote")
      ->required();
  compare->add_option("AFTER", set.compare.after, "Likewise")->required();
  compare->add_option("--tolerance", set.compare.tolerance, "How many percent make no difference")
      ->type_name("PERCENT")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1000.0));
  compare->footer(
      "A difference is one when its 99 % interval, by bootstrap over the measured seconds, lies\n"
      "beyond the tolerance. Exit codes: 0 not worse; 8 worse; 2 a file is no such result; 7 a\n"
      "result says of itself that it is INVALID.\n" +
      Example("  objpoolctl bench --rate 5000 --output json > before.json\n"
              "  objpoolctl bench compare before.json after.json --tolerance 10"));
}

}  // namespace

void AddBenchCommands(CommandSet& set) {
  CLI::App* bench = set.Add(
      set.app, "bench", "Measure the server: each client leases, holds and returns, over and over",
      [&set](const Target& target, Console& console) {
        return Bench(*set.app.get_subcommand("bench"), set, target, console);
      });
  AddRun(*bench, set);
  AddArrivals(*bench, set);
  AddCycles(*bench, set);
  AddCompare(*bench, set);
  bench->require_subcommand(0, 1);
  bench->footer(
      kScenarios +
      Example("  objpoolctl bench --pool ports --duration 5s --clients 16 --html result.html\n"
              "  objpoolctl bench --count 100000 --output json > result.json\n"
              "  objpoolctl bench --rate 5000 --hold 20ms --hold-dist exp --verify\n"
              "  objpoolctl bench --rate 2000 --ramp 5s --hold 1s --renews 4 --html result.html\n"
              "  objpoolctl bench --rate 20000 --stream --verify\n"
              "  objpoolctl bench --scenario crash-clients --verify\n"
              "  objpoolctl bench --find-max 500 --hold 1ms\n"
              "  objpoolctl bench compare before.json after.json"));
}

}  // namespace objpool::client
