#include "client/ctl/suggestion.h"

#include <algorithm>
#include <cstddef>

#include "client/ctl/parser_tree.h"

namespace objpool::client {
namespace {

// No name of ours is longer, and nobody means one with a longer word.
constexpr std::size_t kMaxWordBytes = 32;

// How many letters have to be left out, added, changed or swapped with their neighbour.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> rows(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        rows[i][j] = i + j;
        continue;
      }
      const std::size_t changed = a[i - 1] == b[j - 1] ? 0 : 1;
      std::size_t least =
          std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        least = std::min(least, rows[i - 2][j - 2] + 1);
      }
      rows[i][j] = least;
    }
  }
  return rows[a.size()][b.size()];
}

// The command that was named last: options and commands of it are what can follow.
const CLI::App& Innermost(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return *command;
}

}  // namespace

std::string Nearest(std::string_view word, const std::vector<std::string>& names) {
  if (word.size() > kMaxWordBytes) return {};
  std::string nearest;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& name : names) {
    const std::size_t distance = Distance(word, name);
    if (distance >= least) continue;
    least = distance;
    nearest = name;
  }
  return nearest;
}

std::string WhatIsWrong(const CLI::App& app, const CLI::Error& error) {
  const auto is = [&](CLI::ExitCodes code) {
    return error.get_exit_code() == static_cast<int>(code);
  };
  if (is(CLI::ExitCodes::ConfigError) || is(CLI::ExitCodes::FileError)) {
    return std::string("the file of options: ") + error.what();
  }
  const std::vector<std::string> words = app.remaining(true);
  if (words.empty() || !(is(CLI::ExitCodes::ExtrasError) || is(CLI::ExitCodes::RequiredError))) {
    return error.what();
  }
  const CLI::App& command = Innermost(app);
  const bool option = words.front().starts_with('-');
  const std::string word =
      option ? words.front().substr(0, words.front().find('=')) : words.front();
  const std::vector<std::string> names = option ? OptionNames(command) : CommandNames(command);
  if (!option && names.empty()) return "unexpected: " + word;
  const std::string nearest = Nearest(word, names);
  return (option ? "unknown option " : "unknown command ") + word +
         (nearest.empty() ? "" : "; did you mean " + nearest + '?');
}

}  // namespace objpool::client
