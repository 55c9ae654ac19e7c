// CommandSet: the commands as the command line is given them, in groups, one function each.
//
// Each function adds commands to the parser, says where their options go, and what runs them. The
// parser is the one source of help, completion and man page. Only what makes the command line
// includes this (CLI11).
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "client/ctl/bench_compare.h"
#include "client/ctl/commands.h"

namespace objpool::client {

struct CommandSet {
  using Run = std::function<Exit(const Target& target, Console& console)>;

  explicit CommandSet(CLI::App& parser) : app(parser) {}
  CommandSet(const CommandSet&) = delete;
  CommandSet& operator=(const CommandSet&) = delete;

  // A command. `go` is what it does, unless one of its own commands was asked for.
  CLI::App* Add(CLI::App& parent, const char* name, const char* what, Run go) {
    CLI::App* command = parent.add_subcommand(name, what);
    command->callback([this, command, go = std::move(go)] {
      if (command->get_subcommands().empty()) run = go;
    });
    return command;
  }

  CLI::App& app;
  Run run;  // what the words asked for

  // Filled by the parser.
  LeaseOptions lease;
  RunOptions leased;
  RefsOptions refs;
  BufferOptions buffer;
  GrantOptions grant;
  GrantsOptions grants;
  std::string fence;
  std::string pool;
  v1::CreatePoolRequest create;
  std::string create_file;
  v1::UpdatePoolRequest update;
  bool wait = false;
  HandlesOptions handles;
  WatchOptions watch;
  TopOptions top;
  Milliseconds linger{10'000};
  std::string service;
  StateOptions state;
  PolicyOptions policy;
  BenchOptions bench;
  CompareOptions compare;
  bool warmup_given = false;
  bool duration_given = false;
};

void AddLeaseCommands(CommandSet& set);     // lease, session, return, renew
void AddOnlookerCommands(CommandSet& set);  // grant, grants, check-fence, revoke
void AddPoolCommands(CommandSet& set);      // pool, handles, handle, watch, top
void AddBufferCommands(CommandSet& set);    // read, write
void AddServerCommands(CommandSet& set);    // pools, probe, state, policy
void AddBenchCommands(CommandSet& set);     // bench

}  // namespace objpool::client
