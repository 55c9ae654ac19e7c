// The command line of pools, probe, state and policy: how the server is doing, and what it is told.
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

void AddPolicy(CommandSet& set) {
  CLI::App* policy =
      set.app.add_subcommand("policy", "Look at a server's policy file, without a server");
  policy->require_subcommand(1);
  const auto add = [&](const char* name, const char* what,
                       Exit (*go)(const PolicyOptions&, const Target&, Console&)) {
    CLI::App* command =
        set.Add(*policy, name, what, [&set, go](const Target& target, Console& console) {
          return go(set.policy, target, console);
        });
    command->add_option("FILE", set.policy.file, "The policy_file of the server")->required();
    return command;
  };
  CLI::App* check = add("check", "Say what is wrong in it, or ok", RunPolicyCheck);
  check->footer(Example("  objpoolctl policy check policy.textproto && systemctl reload objpoold"));
  CLI::App* test =
      add("test", "Say whether a client may make a call, and by which rule", RunPolicyTest);
  test->add_option(
          "--identity", set.policy.identity,
          "The client, as the server knows it: an address, spiffe://..., dns:NAME, cn:NAME "
          "or uid:N")
      ->required();
  test->add_option("--method", set.policy.method, "The call, as in Lease")->required();
  test->add_option("--pool", set.policy.pool, "The pool that it names [any]")
      ->check(CheckPool, "", "");
  test->footer(
      Example("  objpoolctl policy test policy.textproto --identity 10.1.2.3 --method Lease "
              "--pool ports") +
      "\nExit codes: 0 allowed; 9 denied; 2 the file is wrong. What the server's key "
      "`admin` forbids\n  is forbidden whatever a policy says.");
  policy->footer(Example("  objpoolctl policy check policy.textproto"));
}

}  // namespace

void AddServerCommands(CommandSet& set) {
  AddLooks(set);
  AddState(set);
  AddPolicy(set);
}

}  // namespace objpool::client
