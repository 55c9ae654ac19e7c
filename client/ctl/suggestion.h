// "Did you mean": the name that is nearest to one that there is not.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace objpool::client {

// The nearest of `names`, by letters left out, added, changed or swapped; empty where none is near.
[[nodiscard]] std::string Nearest(std::string_view word, const std::vector<std::string>& names);

// An error of the parser in words, with the name that may have been meant.
[[nodiscard]] std::string WhatIsWrong(const CLI::App& app, const CLI::Error& error);

}  // namespace objpool::client
