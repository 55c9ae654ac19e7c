// What shells need to complete the words of a command line, made from its parser.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace objpool::client {

// Scripts for the shells of these names. They ask for the names of pools where one is wanted.
[[nodiscard]] std::string BashCompletion(const CLI::App& app);
[[nodiscard]] std::string ZshCompletion(const CLI::App& app);
[[nodiscard]] std::string FishCompletion(const CLI::App& app);

}  // namespace objpool::client
