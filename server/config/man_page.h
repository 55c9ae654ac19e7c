// The man page of objpoold: its flags are those of the parser, so that it says what --help says.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace objpool::server {

// In the language of man(7).
[[nodiscard]] std::string ManPage(const CLI::App& app, const std::string& version);

}  // namespace objpool::server
