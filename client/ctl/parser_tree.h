// The parser as a tree that can be walked: what completion, man page and suggestions are made of.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace objpool::client {

struct ParserNode {
  std::string path;  // "pool create"; empty for the program itself
  const CLI::App* app = nullptr;
};
// Every command that is shown, each after the one that it belongs to.
[[nodiscard]] std::vector<ParserNode> ParserTree(const CLI::App& app);

// In the order in which they were added, without hidden ones.
[[nodiscard]] std::vector<const CLI::App*> CommandsOf(const CLI::App& app);
[[nodiscard]] std::vector<std::string> CommandNames(const CLI::App& app);
// Those that begin with "--".
[[nodiscard]] std::vector<const CLI::Option*> OptionsOf(const CLI::App& app);
// Of this command and of those that it belongs to, whose options go with it.
[[nodiscard]] std::vector<std::string> OptionNames(const CLI::App& app);
[[nodiscard]] std::vector<const CLI::Option*> PositionalsOf(const CLI::App& app);
// The words of which an option takes one; empty where it takes others.
[[nodiscard]] std::vector<std::string> ValuesOf(const CLI::Option& option);
// Whether its first positional is the name of a pool that there is.
[[nodiscard]] bool WantsPool(const CLI::App& app);

}  // namespace objpool::client
