// The kinds of options that commands have in common: how a word is read, and what is said of one
// that cannot be. Only what makes the command line includes this (CLI11).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "client/duration.h"

namespace objpool::client {

CLI::Option* AddDuration(CLI::App& app, const std::string& name, Milliseconds least,
                         std::function<void(Milliseconds)> set, const std::string& help,
                         Milliseconds most = kMaxDuration);
CLI::Option* AddDuration(CLI::App& app, const std::string& name, Milliseconds least,
                         Milliseconds& value, const std::string& help,
                         Milliseconds most = kMaxDuration);

// What CLI11 wants of a check: nothing, or what is wrong.
[[nodiscard]] std::string CheckPool(const std::string& text);
[[nodiscard]] std::string CheckHolder(const std::string& text);
// Of HOST[:PORT].
[[nodiscard]] std::string CheckAddress(const std::string& text);
[[nodiscard]] std::string CheckService(const std::string& text);
[[nodiscard]] std::string CheckRequestId(const std::string& text);

// Nothing, and in `why` what is wrong, unless `text` is 1 .. `most` bytes: "4096", "64KiB", "2MiB".
[[nodiscard]] std::optional<uint64_t> ParseSize(const std::string& text, uint64_t most,
                                                std::string& why);

// user@host, for people who look at the grant later.
[[nodiscard]] std::string DefaultHolder();

// The end of a command's help.
[[nodiscard]] std::string Example(const std::string& lines);

}  // namespace objpool::client
