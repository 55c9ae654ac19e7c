// The command line of pools, probe, state and bench: how the server is doing.
#include "client/ctl/command_set.h"
#include "client/ctl/option_kinds.h"

namespace objpool::client {
namespace {

void AddLooks(CommandSet& set) {
  CLI::App* pools = set.Add(set.app, "pools", "Show all pools, or one with its slots",
                            [&set](const Target& target, Console& console) {
                              return RunPools(set.pool, target, console);
                            });
  pools->add_option("POOL", set.pool, "The one")->check(CheckPool, "", "");
  pools->footer(Example("  objpoolctl pools\n  objpoolctl pools ports --output json"));

  CLI::App* probe = set.Add(set.app, "probe", "Exit with 0 only when the server serves",
                            [&set](const Target& target, Console& console) {
                              return RunProbe(set.service, target, console);
                            });
  probe->add_option("--service", set.service, "pools/POOL, or a service [the whole server]")
      ->check(CheckService, "", "");
  probe->footer(Example("  HEALTHCHECK CMD [\"objpoolctl\", \"probe\"]"));
}

void AddState(CommandSet& set) {
  CLI::App* state =
      set.app.add_subcommand("state", "Look at a server's state_dir, without a server");
  state->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, const std::string& example) {
    CLI::App* command = set.Add(*state, name, what,
                                [&set, verify = std::string_view(name) == "verify"](
                                    const Target& target, Console& console) {
                                  set.state.verify = verify;
                                  return RunState(set.state, target, console);
                                });
    command->add_option("FOLDER", set.state.folder, "The state_dir, or a copy of it; only read")
        ->required();
    command->footer(Example(example) + "\nExit codes: 0 sound; 1 damaged; 2 cannot be read.");
  };
  add("dump", "Show every pool and every handle that was ever leased, one line each",
      "  objpoolctl state dump /var/lib/objpool | awk -F'\\t' '$5 == \"leased\"'");
  add("verify", "Check every header and every record, and show only what is wrong",
      "  objpoolctl state verify /backup/objpool && echo sound");
  state->footer(
      Example("  objpoolctl state dump /var/lib/objpool --output json\n"
              "  objpoolctl state verify /backup/objpool && echo sound"));
}

void AddBench(CommandSet& set) {
  CLI::App* bench = set.Add(
      set.app, "bench", "Measure the server: each client leases, holds and returns, over and over",
      [&set](const Target& target, Console& console) {
        // Without --count a run warms up; with it, exactly so many cycles are tried.
        if (set.bench.count != 0 && !set.warmup_given) set.bench.warmup = Milliseconds(0);
        return RunBench(set.bench, target, console);
      });
  bench->add_option("--pool", set.bench.pool, "Where from [the pool of most capacity]")
      ->check(CheckPool, "", "");
  AddDuration(*bench, "--duration", Milliseconds(1), set.bench.duration, "How long [10s]");
  bench->add_option("--count", set.bench.count, "How many cycles to try, instead of --duration")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->excludes("--duration");
  AddDuration(
      *bench, "--warmup", Milliseconds(0),
      [&set](Milliseconds time) {
        set.bench.warmup = time;
        set.warmup_given = true;
      },
      "How long before measuring [1s; with --count 0ms]");
  bench->add_option("--connections", set.bench.connections, "How many connections")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBenchConnections));
  bench->add_option("--clients", set.bench.clients, "How many loops at once, over the connections")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBenchClients));
  bench->add_option("--batch", set.bench.batch, "How many handles in a call")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBatch));
  AddDuration(*bench, "--hold", Milliseconds(0), set.bench.hold, "From lease to return [0ms]");
  AddDuration(*bench, "--ttl", Milliseconds(1), set.bench.ttl,
              "Of each lease [the pool's default]");
  bench
      ->add_option("--rate", set.bench.rate,
                   "Begin so many cycles in a second, whatever the answers take, and count from "
                   "when each was meant to begin [0: each client waits for its answer]")
      ->check(CLI::Range(0.0, kMaxBenchRate))
      ->excludes("--count")
      ->excludes("--clients");
  bench->add_flag("--uniform", set.bench.uniform, "With --rate: evenly [at random]");
  bench->add_flag("--hold-random", set.bench.hold_random,
                  "With --rate: hold for an exponential time, --hold on average");
  bench
      ->add_flag("--verify", set.bench.verify,
                 "With --rate: check every answer; the pool must be ours alone")
      ->needs("--rate");
  bench->add_option("--seed", set.bench.seed, "With --rate: of what is random");
  bench->footer(
      Example("  objpoolctl bench --pool ports --duration 5s --clients 16\n"
              "  objpoolctl bench --count 100000 --output json > result.json\n"
              "  objpoolctl bench --rate 5000 --hold 20ms --hold-random --verify"));
}

}  // namespace

void AddServerCommands(CommandSet& set) {
  AddLooks(set);
  AddState(set);
  AddBench(set);
}

}  // namespace objpool::client
