#include "server/config/file.h"

#include <google/protobuf/text_format.h>

#include <cstddef>
#include <utility>

#include "server/config/check.h"
#include "server/config/duration.h"

namespace objpool::server {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;

void Override(const ConfigOverrides& overrides, config::v1::ServerConfig& message) {
  if (overrides.listen) message.set_listen(*overrides.listen);
  if (overrides.metrics_listen) message.set_metrics_listen(*overrides.metrics_listen);
  if (overrides.ready_file) message.set_ready_file(*overrides.ready_file);
  if (overrides.state_dir) message.set_state_dir(*overrides.state_dir);
  if (overrides.policy_file) message.set_policy_file(*overrides.policy_file);
  if (overrides.audit_log) message.set_audit_log(*overrides.audit_log);
  if (overrides.admin) message.set_admin(*overrides.admin);
  if (overrides.engine) message.set_engine(*overrides.engine);
  if (overrides.workers) message.set_workers(*overrides.workers);
  if (overrides.busy_poll_us) message.set_busy_poll_us(*overrides.busy_poll_us);
  if (overrides.reflection) message.set_reflection(*overrides.reflection);
  if (overrides.tls_cert) message.mutable_tls()->set_cert_file(*overrides.tls_cert);
  if (overrides.tls_key) message.mutable_tls()->set_key_file(*overrides.tls_key);
  if (overrides.tls_client_ca) {
    message.mutable_tls()->set_client_ca_file(*overrides.tls_client_ca);
  }
  if (overrides.tls_client_cert_required) {
    message.mutable_tls()->set_client_cert_required(*overrides.tls_client_cert_required);
  }
  if (overrides.insecure_allow_plaintext) {
    message.set_insecure_allow_plaintext(*overrides.insecure_allow_plaintext);
  }
  if (overrides.shutdown_grace) {
    *message.mutable_shutdown_grace() = ToDuration(overrides.shutdown_grace->count());
  }
}

// Writes one kind of pool.
struct KindPrinter {
  config::v1::PoolConfig& message;

  void operator()(const IdsSpec& ids) const {
    message.mutable_ids()->set_first(ids.first);
    message.mutable_ids()->set_count(ids.count);
  }
  void operator()(const LabelsSpec& labels) const {
    message.mutable_labels()->mutable_label()->Add(labels.labels.begin(), labels.labels.end());
  }
  void operator()(const BuffersSpec& buffers) const {
    message.mutable_buffers()->set_count(buffers.count);
    message.mutable_buffers()->set_size_bytes(buffers.size_bytes);
  }
};

std::string Print(const config::v1::ServerConfig& message) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetUseUtf8StringEscaping(true);
  std::string text;
  printer.PrintToString(message, &text);
  return text;
}

}  // namespace

config::v1::PoolConfig ToMessage(const PoolSpec& pool) {
  config::v1::PoolConfig to;
  to.set_name(pool.name);
  std::visit(KindPrinter{to}, pool.kind);
  *to.mutable_ttl_min() = ToDuration(pool.ttl_min_ms);
  *to.mutable_ttl_default() = ToDuration(pool.ttl_default_ms);
  *to.mutable_ttl_max() = ToDuration(pool.ttl_max_ms);
  to.set_durability(pool.on_disk   ? config::v1::DURABILITY_DISK
                    : pool.durable ? config::v1::DURABILITY_PROCESS
                                   : config::v1::DURABILITY_VOLATILE);
  to.set_scrub(pool.scrub);
  *to.mutable_reuse_delay() = ToDuration(pool.reuse_delay_ms);
  to.set_dirty_unless_returned(pool.dirty_unless_returned);
  *to.mutable_restart_wait() = ToDuration(pool.restart_wait_ms);
  to.set_max_waiters(pool.max_waiters);
  for (const lease::LabelledRange& range : pool.handle_labels) {
    config::v1::HandleLabels& labels = *to.add_handle_labels();
    labels.set_first(range.first);
    labels.set_last(range.last);
    labels.mutable_labels()->insert(range.labels.begin(), range.labels.end());
  }
  if (pool.quota != lease::Quotas::Limits{}) {
    to.mutable_quota_per_identity()->set_handles(pool.quota.handles);
    to.mutable_quota_per_identity()->set_calls_per_s(pool.quota.calls_per_s);
  }
  return to;
}

std::optional<Config> ParseConfig(std::string_view text, ConfigSyntax syntax, std::string_view name,
                                  const ConfigOverrides& overrides, ConfigErrors& errors) {
  config::v1::ServerConfig message;
  if (!settings::ParseMessage(text, syntax, name, message, errors)) return std::nullopt;
  Override(overrides, message);
  return CheckConfig(message, errors);
}

std::optional<Config> LoadConfig(const std::string& path, const ConfigOverrides& overrides,
                                 ConfigErrors& errors) {
  const std::optional<std::string> text = settings::ReadTextFile(path, kMaxFileBytes, errors);
  if (!text) return std::nullopt;
  return ParseConfig(*text, settings::SyntaxOf(path), path, overrides, errors);
}

std::string PrintPool(const PoolSpec& pool) {
  config::v1::ServerConfig message;
  *message.add_pools() = ToMessage(pool);
  return Print(message);
}

std::string PrintConfig(const Config& config) {
  config::v1::ServerConfig message;
  std::string listen = config.listen ? FormatEndpoint(*config.listen) : "";
  if (!config.listen_unix.empty()) {
    listen += (config.listen ? "," : "") + std::string(kUnixPrefix) + config.listen_unix;
  }
  message.set_listen(listen);
  message.set_metrics_listen(config.metrics_listen ? FormatEndpoint(*config.metrics_listen)
                                                   : "off");
  message.set_ready_file(config.ready_file);
  message.set_insecure_allow_plaintext(config.insecure_allow_plaintext);
  message.set_engine(config.engine == EngineKind::kH2 ? config::v1::ENGINE_H2
                                                      : config::v1::ENGINE_GRPC);
  if (config.engine == EngineKind::kH2) {
    message.set_max_connections_per_peer(config.max_connections_per_peer);
    message.set_steer_by_cpu(config.steer_by_cpu);
    message.set_busy_poll_us(config.busy_poll_us);
  }
  if (config.max_connection_age.count() != 0) {
    *message.mutable_max_connection_age() = ToDuration(config.max_connection_age.count());
  }
  if (config.max_connection_age_grace.count() != 0) {
    *message.mutable_max_connection_age_grace() =
        ToDuration(config.max_connection_age_grace.count());
  }
  message.set_workers(config.workers);
  *message.mutable_shutdown_grace() = ToDuration(config.shutdown_grace.count());
  message.set_reflection(config.reflection);
  message.set_state_dir(config.state_dir);
  message.set_policy_file(config.policy_file);
  message.set_audit_log(config.audit_log);
  message.set_admin(config.admin == AdminAccess::kOff   ? config::v1::ADMIN_ACCESS_OFF
                    : config.admin == AdminAccess::kAll ? config::v1::ADMIN_ACCESS_ALL
                                                        : config::v1::ADMIN_ACCESS_LOCAL);
  if (config.tls) {
    message.mutable_tls()->set_cert_file(config.tls->cert_file);
    message.mutable_tls()->set_key_file(config.tls->key_file);
    message.mutable_tls()->set_client_ca_file(config.tls->client_ca_file);
    message.mutable_tls()->set_client_cert_required(config.tls->client_cert_required);
  }
  for (const PoolSpec& pool : config.pools) {
    *message.add_pools() = ToMessage(pool);
  }
  return Print(message);
}

}  // namespace objpool::server
