#include "server/config/check.h"

#include <string>

#include "server/config/duration.h"

namespace objpool::server {
namespace {

constexpr uint32_t kMaxWorkers = 1024;
constexpr uint32_t kMaxConnectionsPerPeer = 65'536;
constexpr uint32_t kMaxBusyPollUs = 10'000;
constexpr int64_t kWeekMs = int64_t{7} * 24 * 3'600'000;
constexpr DurationRange kConnectionAge = {100, kWeekMs};
constexpr DurationRange kConnectionAgeGrace = {1, kWeekMs};
constexpr DurationRange kShutdownGrace = {0, 300'000};

// The fallback when `text` is empty or wrong. `beyond_host` is what would allow an address that
// others than this host can reach; empty: nothing need be done for it.
Endpoint CheckEndpoint(const std::string& text, const Endpoint& fallback,
                       std::string_view beyond_host, std::string_view key, ConfigErrors& errors) {
  if (text.empty()) return fallback;
  std::string why;
  std::optional<Endpoint> endpoint = ParseEndpoint(text, why);
  if (!endpoint) {
    errors.AddLimit(key, "HOST:PORT", Quoted(text) + ": " + why);
    return fallback;
  }
  if (!beyond_host.empty() && !IsLoopback(endpoint->host)) {
    errors.AddLimit(key,
                    "on 127.0.0.0/8, [::1] or localhost, because it is not encrypted (" +
                        std::string(beyond_host) + ")",
                    Quoted(text));
  }
  return *std::move(endpoint);
}

constexpr std::size_t kMaxUnixPathBytes = 107;  // the system's bound

// "HOST:PORT", "unix:PATH", or both with a comma between.
void CheckListen(const std::string& text, std::string_view beyond_host, Config& config,
                 ConfigErrors& errors) {
  if (text.empty()) return;
  const Endpoint fallback = *config.listen;
  config.listen.reset();
  std::string_view rest = text;
  while (true) {
    const std::string one(rest.substr(0, rest.find(',')));
    const bool is_unix = one.starts_with(kUnixPrefix);
    if (is_unix ? !config.listen_unix.empty() : config.listen.has_value()) {
      errors.AddLimit("listen", "one HOST:PORT and one unix:PATH at the most", Quoted(text));
      return;
    }
    if (is_unix) {
      config.listen_unix = one.substr(kUnixPrefix.size());
      // "unix:///run/a" is what others say for "unix:/run/a".
      if (config.listen_unix.starts_with("///")) config.listen_unix.erase(0, 2);
      const std::size_t bytes = config.listen_unix.size();
      if (bytes == 0 || bytes > kMaxUnixPathBytes ||
          config.listen_unix.find('\0') != std::string::npos) {
        errors.AddLimit("listen",
                        "unix: and a path of 1 .. " + std::to_string(kMaxUnixPathBytes) + " bytes",
                        Quoted(one));
      }
    } else {
      config.listen =
          CheckEndpoint(one.empty() ? ":" : one, fallback, beyond_host, "listen", errors);
    }
    if (rest.find(',') == std::string_view::npos) return;
    rest.remove_prefix(one.size() + 1);
  }
}

void CheckPath(const std::string& path, std::string_view key, ConfigErrors& errors) {
  if (path.find('\0') == std::string::npos) return;
  errors.AddLimit(key, "a path without NUL bytes", Quoted(path));
}

// What is to be done with connections.
void CheckConnections(const config::v1::ServerConfig& message, Config& config,
                      ConfigErrors& errors) {
  const bool h2 = config.engine == EngineKind::kH2;
  const auto needs_h2 = [&](std::string_view key, const std::string& value) {
    if (!h2) errors.AddLimit(key, "unset with engine: ENGINE_GRPC", value);
  };
  if (message.has_max_connections_per_peer()) {
    config.max_connections_per_peer = message.max_connections_per_peer();
    needs_h2("max_connections_per_peer", std::to_string(config.max_connections_per_peer));
    if (config.max_connections_per_peer == 0 ||
        config.max_connections_per_peer > kMaxConnectionsPerPeer) {
      errors.AddLimit("max_connections_per_peer", "1 .. " + std::to_string(kMaxConnectionsPerPeer),
                      std::to_string(config.max_connections_per_peer));
    }
  }
  config.steer_by_cpu = message.steer_by_cpu();
  if (config.steer_by_cpu) needs_h2("steer_by_cpu", "true");
  config.busy_poll_us = message.busy_poll_us();
  if (config.busy_poll_us != 0) needs_h2("busy_poll_us", std::to_string(config.busy_poll_us));
  if (config.busy_poll_us > kMaxBusyPollUs) {
    errors.AddLimit("busy_poll_us", "0 .. " + std::to_string(kMaxBusyPollUs),
                    std::to_string(config.busy_poll_us));
  }
  const auto duration = [&](const google::protobuf::Duration& value, DurationRange range,
                            std::string_view key) {
    return std::chrono::milliseconds(CheckDuration(value, range, key, errors).value_or(0));
  };
  if (message.has_max_connection_age()) {
    config.max_connection_age =
        duration(message.max_connection_age(), kConnectionAge, "max_connection_age");
  }
  if (!message.has_max_connection_age_grace()) return;
  config.max_connection_age_grace =
      duration(message.max_connection_age_grace(), kConnectionAgeGrace, "max_connection_age_grace");
  if (!message.has_max_connection_age()) {
    errors.AddLimit("max_connection_age_grace", "unset without max_connection_age",
                    FormatDurationMs(config.max_connection_age_grace.count()));
  }
}

AdminAccess CheckAdmin(config::v1::AdminAccess admin, ConfigErrors& errors) {
  switch (admin) {
    case config::v1::ADMIN_ACCESS_OFF:
      return AdminAccess::kOff;
    case config::v1::ADMIN_ACCESS_ALL:
      return AdminAccess::kAll;
    case config::v1::ADMIN_ACCESS_UNSPECIFIED:
    case config::v1::ADMIN_ACCESS_LOCAL:
      return AdminAccess::kLocal;
    default:
      errors.AddLimit("admin", "ADMIN_ACCESS_OFF, ADMIN_ACCESS_LOCAL or ADMIN_ACCESS_ALL",
                      std::to_string(admin));
  }
  return AdminAccess::kLocal;
}

TlsSpec CheckTls(const config::v1::Tls& message, ConfigErrors& errors) {
  TlsSpec tls;
  tls.cert_file = message.cert_file();
  tls.key_file = message.key_file();
  tls.client_ca_file = message.client_ca_file();
  tls.client_cert_required = message.has_client_cert_required() ? message.client_cert_required()
                                                                : !tls.client_ca_file.empty();
  if (tls.cert_file.empty()) errors.AddLimit("tls.cert_file", "the path of a file", "empty");
  if (tls.key_file.empty()) errors.AddLimit("tls.key_file", "the path of a file", "empty");
  CheckPath(tls.cert_file, "tls.cert_file", errors);
  CheckPath(tls.key_file, "tls.key_file", errors);
  CheckPath(tls.client_ca_file, "tls.client_ca_file", errors);
  if (tls.client_cert_required && tls.client_ca_file.empty()) {
    errors.AddLimit("tls.client_cert_required", "false where tls.client_ca_file is empty", "true");
  }
  return tls;
}

}  // namespace

std::optional<Config> CheckConfig(const config::v1::ServerConfig& message, ConfigErrors& errors) {
  Config config;
  config.insecure_allow_plaintext = message.insecure_allow_plaintext();
  const std::string_view allow =
      config.insecure_allow_plaintext ? "" : "insecure_allow_plaintext: true allows it";
  const std::string_view encrypt =
      allow.empty() ? "" : "tls encrypts it, insecure_allow_plaintext: true allows it";
  if (message.has_tls()) config.tls = CheckTls(message.tls(), errors);
  CheckListen(message.listen(), config.tls ? "" : encrypt, config, errors);
  if (message.metrics_listen() == "off") {
    config.metrics_listen.reset();
  } else {
    config.metrics_listen = CheckEndpoint(message.metrics_listen(), *config.metrics_listen, allow,
                                          "metrics_listen", errors);
  }
  if (config.listen && config.metrics_listen == config.listen && config.listen->port != 0) {
    errors.AddLimit("metrics_listen", "another address than listen",
                    Quoted(FormatEndpoint(*config.listen)) + " too");
  }
  config.ready_file = message.ready_file();
  CheckPath(config.ready_file, "ready_file", errors);
  config.state_dir = message.state_dir();
  CheckPath(config.state_dir, "state_dir", errors);
  if (!config::v1::Engine_IsValid(message.engine())) {
    errors.AddLimit("engine", "ENGINE_GRPC or ENGINE_H2", std::to_string(message.engine()));
  }
  config.engine = message.engine() == config::v1::ENGINE_GRPC ? EngineKind::kGrpc : EngineKind::kH2;
  CheckConnections(message, config, errors);
  config.policy_file = message.policy_file();
  CheckPath(config.policy_file, "policy_file", errors);
  config.audit_log = message.audit_log();
  CheckPath(config.audit_log, "audit_log", errors);
  config.admin = CheckAdmin(message.admin(), errors);
  config.workers = message.workers();
  if (config.workers > kMaxWorkers) {
    errors.AddLimit("workers", "0 (automatic) or 1 .. " + std::to_string(kMaxWorkers),
                    std::to_string(config.workers));
  }
  if (message.has_shutdown_grace()) {
    const std::optional<int64_t> ms =
        CheckDuration(message.shutdown_grace(), kShutdownGrace, "shutdown_grace", errors);
    if (ms) config.shutdown_grace = std::chrono::milliseconds(*ms);
  }
  if (message.has_reflection()) config.reflection = message.reflection();
  config.pools = CheckPools(message.pools(), !config.state_dir.empty(), errors);
  if (!errors.empty()) return std::nullopt;
  return config;
}

}  // namespace objpool::server
