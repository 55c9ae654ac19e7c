// Reads a configuration from text format or JSON and writes it as text format.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "objpool/config/v1/server_config.pb.h"
#include "proto/settings/message_text.h"
#include "server/config/config.h"
#include "server/config/errors.h"

namespace objpool::server {

using ConfigSyntax = settings::Syntax;

// What a command line puts in the place of what the file says; the file's own value is then not
// looked at, right or wrong.
struct ConfigOverrides {
  std::optional<std::string> listen;
  std::optional<std::string> metrics_listen;
  std::optional<std::string> ready_file;
  std::optional<bool> insecure_allow_plaintext;
  std::optional<config::v1::Engine> engine;
  std::optional<uint32_t> workers;
  std::optional<uint32_t> busy_poll_us;
  std::optional<std::chrono::milliseconds> shutdown_grace;
  std::optional<bool> reflection;
  std::optional<std::string> state_dir;
  std::optional<std::string> policy_file;
  std::optional<std::string> audit_log;
  std::optional<config::v1::AdminAccess> admin;
  std::optional<std::string> tls_cert;  // tls.cert_file, and so on
  std::optional<std::string> tls_key;
  std::optional<std::string> tls_client_ca;
  std::optional<bool> tls_client_cert_required;
};

// None when it added to `errors`. `name` says where the text is from and stands before what is
// wrong with its syntax.
[[nodiscard]] std::optional<Config> ParseConfig(std::string_view text, ConfigSyntax syntax,
                                                std::string_view name,
                                                const ConfigOverrides& overrides,
                                                ConfigErrors& errors);

// The same of a file of at most 64 MiB: JSON when its name ends in ".json", text format otherwise.
[[nodiscard]] std::optional<Config> LoadConfig(const std::string& path,
                                               const ConfigOverrides& overrides,
                                               ConfigErrors& errors);

// One pool, with all defaults written out.
[[nodiscard]] config::v1::PoolConfig ToMessage(const PoolSpec& pool);

// A configuration of this pool alone, as text format, with all its defaults written out.
[[nodiscard]] std::string PrintPool(const PoolSpec& pool);

// As text format, with all defaults written out; ParseConfig gives back an equal one.
[[nodiscard]] std::string PrintConfig(const Config& config);

}  // namespace objpool::server
