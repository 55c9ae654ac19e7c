// The command line of lease, return and renew.
#include "client/ctl/command_set.h"
#include "client/ctl/option_kinds.h"
#include "client/ctl/selector.h"

namespace objpool::client {
namespace {

// What the parser cannot say of it alone.
Exit Complete(LeaseOptions& lease, Console& console) {
  if (lease.holder.empty()) lease.holder = DefaultHolder();
  if (lease.min_count <= lease.count) return Exit::kOk;
  return Fail(console, Exit::kUsage,
              "--min-count: must be from 1 to --count, " + std::to_string(lease.count) + "; got " +
                  std::to_string(lease.min_count));
}

Exit GoLease(CommandSet& set, const Target& target, Console& console) {
  if (const Exit exit = Complete(set.lease, console); exit != Exit::kOk) return exit;
  if (set.leased.command.empty()) return RunLease(set.lease, target, console);
  return RunLeased(set.lease, set.leased, target, console);
}

Exit GoSession(CommandSet& set, const Target& target, Console& console) {
  if (const Exit exit = Complete(set.lease, console); exit != Exit::kOk) return exit;
  return RunSession(set.lease, set.linger, target, console);
}

// Which handles, and for how long.
void AddWishes(CLI::App& lease, LeaseOptions& options) {
  lease.add_option("--count", options.count, "How many are wanted")
      ->capture_default_str()
      ->check(CLI::Range(1u, kMaxBatch));
  lease.add_option("--min-count", options.min_count, "How many will do [as --count]")
      ->check(CLI::Range(1u, kMaxBatch));
  AddDuration(lease, "--ttl", Milliseconds(1), options.ttl, "For how long [the pool's default]");
  AddDuration(lease, "--max-wait", Milliseconds(0), options.max_wait,
              "Wait for handles where there are too few [not at all]");
  lease.add_option("--priority", options.priority, "Of those who wait, the highest go first")
      ->capture_default_str()
      ->check(CLI::Range(0u, 9u));
  const auto select = [&options](const std::string& text) {
    std::string why;
    auto terms = ParseSelector(text, why);
    if (!terms) throw CLI::ValidationError("--selector", why);
    options.selector = std::move(*terms);
  };
  lease
      .add_option_function<std::string>(
          "--selector", select, "Only handles with these labels: 'model=a100,zone!=b,rack,!spot'")
      ->type_name("TERMS");
  lease
      .add_option_function<uint32_t>(
          "--near-node", [&options](uint32_t node) { options.near_node = node; },
          "The NUMA node that buffers should be on, best [that of the worker]")
      ->type_name("NODE");
  lease.add_flag("--dirty", options.dirty, "Handles to be cleaned; returned clean, they are free");
  lease.add_option("--holder", options.holder, "Who asks, at most 64 bytes [user@host]")
      ->check(CheckHolder, "", "");
  lease
      .add_option("--request-id", options.request_id,
                  "Names the request: repeated with it, it gets the same grants")
      ->type_name("ID")
      ->check(CheckRequestId, "", "");
}

void AddLease(CommandSet& set) {
  CLI::App* lease = set.Add(
      set.app, "lease", "Lease handles, for a command, or one line each: value, ref, ttl",
      [&set](const Target& target, Console& console) { return GoLease(set, target, console); });
  lease->add_option("POOL", set.lease.pool, "Where from")->required()->check(CheckPool, "", "");
  AddWishes(*lease, set.lease);
  const std::map<std::string, LossRule> rules = {
      {"kill", LossRule::kKill}, {"warn", LossRule::kWarn}, {"ignore", LossRule::kIgnore}};
  lease
      ->add_option_function<std::string>(
          "--on-loss",
          [&set, rules](const std::string& word) { set.leased.on_loss = rules.at(word); },
          "What becomes of the command when a handle is lost: it ends, and exit code 6 [kill]")
      ->type_name("kill|warn|ignore")
      ->check(CLI::IsMember({"kill", "warn", "ignore"}), "", "");
  AddDuration(*lease, "--kill-after", Milliseconds(0), set.leased.kill_after,
              "From its SIGTERM to its SIGKILL [5s]");
  lease->footer(
      "Behind -- stands a command, which runs with the handles, in OBJPOOL_ID or OBJPOOL_LABEL,\n"
      "OBJPOOL_HANDLE, OBJPOOL_FENCE, OBJPOOL_REF, OBJPOOL_POOL; with --count all of them are in\n"
      "OBJPOOL_IDS and so on. They are renewed meanwhile and returned at its end; the exit code "
      "is\n"
      "the command's, 128 + signal, 126 where it cannot be run, or 127 where there is none.\n" +
      Example("  objpoolctl lease ports -- sh -c 'exec serve --port \"$OBJPOOL_ID\"'\n"
              "  objpoolctl lease gpus --count 2 --max-wait 1h --selector 'model=a100' -- train\n"
              "  objpoolctl lease ports --count 2 --ttl 30s\n"
              "  ref=$(objpoolctl lease ports | cut -f2)"));
}

void AddSession(CommandSet& set) {
  CLI::App* session = set.Add(
      set.app, "session", "Lease handles and hold them until the standard input ends",
      [&set](const Target& target, Console& console) { return GoSession(set, target, console); });
  session->add_option("POOL", set.lease.pool, "Where from")->required()->check(CheckPool, "", "");
  AddWishes(*session, set.lease);
  AddDuration(*session, "--linger", Milliseconds(100), set.linger,
              "How long the server keeps them for a session that it does not hear [10s]",
              std::chrono::minutes(5));
  session->footer(
      "It writes what lease writes, then renews them all. A signal ends it too; then, and when it\n"
      "dies, they come back. Exit code 6: one was lost meanwhile.\n" +
      Example("  coproc objpoolctl session ports --count 2\n"
              "  read -r port ref ttl <&\"${COPROC[0]}\""));
}

}  // namespace

void AddLeaseCommands(CommandSet& set) {
  AddLease(set);
  AddSession(set);
  const std::string refs =
      "POOL/HANDLE/FENCE/KEY as lease gave it, 1 to 1024 of any pools; - reads them from the "
      "standard input, one a line (other users of this machine can see arguments)";
  CLI::App* give_back = set.Add(set.app, "return", "Give handles back before their time",
                                [&set](const Target& target, Console& console) {
                                  return RunReturn(set.refs, target, console);
                                });
  give_back->add_option("REF", set.refs.refs, refs)->required();
  const auto flag = [&](const char* name, v1::Disposition state, const char* what) {
    return give_back->add_flag_callback(
        name, [&set, state] { set.refs.disposition = state; }, what);
  };
  CLI::Option* dirty =
      flag("--dirty", v1::DISPOSITION_DIRTY, "To be cleaned before their next use");
  flag("--broken", v1::DISPOSITION_BROKEN, "Of no use: they are quarantined")->excludes(dirty);
  give_back->footer(
      Example("  objpoolctl return \"$ref\"\n"
              "  objpoolctl return --dirty - < held"));

  CLI::App* renew = set.Add(set.app, "renew", "Restart the time of grants that still run",
                            [&set](const Target& target, Console& console) {
                              return RunRenew(set.refs, target, console);
                            });
  renew->add_option("REF", set.refs.refs, refs)->required();
  AddDuration(*renew, "--ttl", Milliseconds(1), set.refs.ttl, "From now [the pool's default]");
  renew->footer(Example("  objpoolctl renew \"$ref\" --ttl 1m"));
}

}  // namespace objpool::client
