#include "client/ctl/parser_tree.h"

#include <sstream>

namespace objpool::client {
namespace {

void AddNodes(const CLI::App& app, const std::string& path, std::vector<ParserNode>& nodes) {
  nodes.push_back({.path = path, .app = &app});
  for (const CLI::App* command : CommandsOf(app)) {
    AddNodes(*command, path + (path.empty() ? "" : " ") + command->get_name(), nodes);
  }
}

}  // namespace

std::vector<ParserNode> ParserTree(const CLI::App& app) {
  std::vector<ParserNode> nodes;
  AddNodes(app, "", nodes);
  return nodes;
}

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  // What has no group is hidden.
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : CommandsOf(app)) names.push_back(command->get_name());
  return names;
}

std::vector<const CLI::Option*> OptionsOf(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_lnames().empty(); });
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent()) {
    for (const CLI::Option* option : OptionsOf(*level)) {
      const std::string name = "--" + option->get_lnames().front();
      // Each command has a --help.
      if (level == &app || name != "--help") names.push_back(name);
    }
  }
  return names;
}

std::vector<const CLI::Option*> PositionalsOf(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

std::vector<std::string> ValuesOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  std::vector<std::string> values;
  std::istringstream words(type);
  for (std::string word; std::getline(words, word, '|');) values.push_back(word);
  // Words that are meant as they stand are small.
  if (values.size() < 2 || type.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos) {
    return {};
  }
  return values;
}

bool WantsPool(const CLI::App& app) {
  const std::vector<const CLI::Option*> positionals = PositionalsOf(app);
  if (positionals.empty()) return false;
  const std::string name = positionals.front()->get_name(true);
  return name == "POOL" || (name == "NAME" && app.get_name() != "create");
}

}  // namespace objpool::client
