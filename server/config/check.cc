#include "server/config/check.h"

#include <string>

#include "server/config/duration.h"

namespace objpool::server {
namespace {

constexpr uint32_t kMaxWorkers = 1024;
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

void CheckPath(const std::string& path, std::string_view key, ConfigErrors& errors) {
  if (path.find('\0') == std::string::npos) return;
  errors.AddLimit(key, "a path without NUL bytes", Quoted(path));
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
  config.listen =
      CheckEndpoint(message.listen(), config.listen, config.tls ? "" : encrypt, "listen", errors);
  if (message.metrics_listen() == "off") {
    config.metrics_listen.reset();
  } else {
    config.metrics_listen = CheckEndpoint(message.metrics_listen(), *config.metrics_listen, allow,
                                          "metrics_listen", errors);
  }
  if (config.metrics_listen == config.listen && config.listen.port != 0) {
    errors.AddLimit("metrics_listen", "another address than listen",
                    Quoted(FormatEndpoint(config.listen)) + " too");
  }
  config.ready_file = message.ready_file();
  CheckPath(config.ready_file, "ready_file", errors);
  config.state_dir = message.state_dir();
  CheckPath(config.state_dir, "state_dir", errors);
  if (!config::v1::Engine_IsValid(message.engine())) {
    errors.AddLimit("engine", "ENGINE_GRPC or ENGINE_H2", std::to_string(message.engine()));
  }
  config.engine = message.engine() == config::v1::ENGINE_H2 ? EngineKind::kH2 : EngineKind::kGrpc;
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
