// The command line of grant, grants, check-fence and revoke: for those who hold nothing themselves.
#include "client/ctl/command_set.h"
#include "client/ctl/option_kinds.h"

namespace objpool::client {

void AddOnlookerCommands(CommandSet& set) {
  CLI::App* grant = set.Add(set.app, "grant", "Show who holds a handle",
                            [&set](const Target& target, Console& console) {
                              return RunGrant(set.grant, target, console);
                            });
  grant->add_option("POOL", set.grant.pool, "Its pool")->required()->check(CheckPool, "", "");
  grant->add_option("HANDLE", set.grant.handle, "Its number in the pool")
      ->required()
      ->check(CLI::Range(uint64_t{0}, kMaxHandle));
  grant->footer(Example("  objpoolctl grant ports 17"));

  CLI::App* grants = set.Add(set.app, "grants", "Show who holds what in a pool",
                             [&set](const Target& target, Console& console) {
                               return RunGrants(set.grants, target, console);
                             });
  grants->add_option("POOL", set.grants.pool, "Where")->required()->check(CheckPool, "", "");
  grants
      ->add_option_function<std::string>(
          "--holder", [&set](const std::string& holder) { set.grants.holder = holder; },
          "Only what exactly this one holds; \"\": who gave no name")
      ->check(CheckHolder, "", "");
  AddDuration(*grants, "--held-at-least", Milliseconds(0), set.grants.held_at_least,
              "Only what has been held for so long", kMaxHeld);
  grants->footer(
      Example("  objpoolctl grants ports --held-at-least 1h\n"
              "  objpoolctl grants ports --holder web-7 | awk 'NR > 1 { print $1 }' |\n"
              "    objpoolctl revoke -"));

  const std::string word = "POOL/HANDLE/FENCE, as grants shows it; a whole ref will do";
  CLI::App* fence = set.Add(set.app, "check-fence",
                            "Tell what a fence is worth; exit with 0 only when its grant runs",
                            [&set](const Target& target, Console& console) {
                              return RunCheckFence(set.fence, target, console);
                            });
  fence->add_option("GRANT", set.fence, word)->required();
  fence->footer(Example("  objpoolctl check-fence ports/17/1795513041402036634"));

  CLI::App* revoke = set.Add(set.app, "revoke", "End grants, whoever holds them",
                             [&set](const Target& target, Console& console) {
                               return RunRevoke(set.refs, target, console);
                             });
  revoke
      ->add_option("GRANT", set.refs.refs,
                   word +
                       "; 1 to 1024 of any pools; - reads them from the standard input, one "
                       "a line")
      ->required();
  revoke->footer(Example("  objpoolctl revoke ports/17/1795513041402036634"));
}

}  // namespace objpool::client
