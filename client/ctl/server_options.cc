// The command line of pools, probe and state: how the server is doing.
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

}  // namespace

void AddServerCommands(CommandSet& set) {
  AddLooks(set);
  AddState(set);
}

}  // namespace objpool::client
