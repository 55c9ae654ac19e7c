// The options that encrypt the connection, for all commands. Only what makes the command line
// includes this (CLI11).
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "client/client.h"

namespace objpool::client {

class TlsFlags {
 public:
  void AddTo(CLI::App& app);
  // After parsing: reads the files. In `why` what is wrong with them, if anything.
  [[nodiscard]] std::optional<TlsOptions> Read(std::string& why) const;

 private:
  bool on_ = false;
  std::string roots_file_;
  std::string certificate_file_;
  std::string key_file_;
  std::string server_name_;
};

}  // namespace objpool::client
