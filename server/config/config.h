// Config: what the server was told to be, checked and with every default filled in.
//
// A value that does not change once it was made; each room takes only its own part. The keys, their
// units, ranges and defaults are documented in proto/objpool/config/v1/server_config.proto;
// file.h makes one of a file, flags.h of a command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/config/endpoint.h"
#include "server/lease/handle_classes.h"
#include "server/lease/quotas.h"

namespace objpool::server {

// The handles are the integers first, first + 1, ...
struct IdsSpec {
  int64_t first = 0;
  uint32_t count = 0;

  bool operator==(const IdsSpec&) const = default;
};

// The handles are these words.
struct LabelsSpec {
  std::vector<std::string> labels;

  bool operator==(const LabelsSpec&) const = default;
};

// The handles are pieces of memory.
struct BuffersSpec {
  uint32_t count = 0;
  uint64_t size_bytes = 0;

  bool operator==(const BuffersSpec&) const = default;
};

struct PoolSpec {
  std::string name;
  std::variant<IdsSpec, LabelsSpec, BuffersSpec> kind;
  // 1 <= ttl_min_ms <= ttl_default_ms <= ttl_max_ms <= 7 days
  uint32_t ttl_min_ms = 1;
  uint32_t ttl_default_ms = 30'000;
  uint32_t ttl_max_ms = 3'600'000;
  bool durable = false;  // only with a state_dir
  bool on_disk = false;  // durable, and answers wait for the disk
  bool scrub = false;    // buffers only
  // How long a handle rests between two grants: 0 .. 7 days.
  uint32_t reuse_delay_ms = 0;
  // A handle whose grant expires or is revoked is dirty.
  bool dirty_unless_returned = false;
  // Not durable: how long after its start the server leases nothing of it. 0 .. 7 days.
  uint32_t restart_wait_ms = 0;
  uint32_t max_waiters = 10'000;  // 1 .. 10'000
  std::vector<lease::LabelledRange> handle_labels = {};
  lease::Quotas::Limits quota = {};  // of each identity

  bool operator==(const PoolSpec&) const = default;
};

// Number of its handles.
[[nodiscard]] uint32_t CapacityOf(const PoolSpec& spec);

enum class EngineKind : uint8_t { kGrpc, kH2 };

// Who may administer where no policy says so; with kOff nobody may in any case.
enum class AdminAccess : uint8_t { kOff, kLocal, kAll };

// Which files TLS is made of.
struct TlsSpec {
  std::string cert_file;
  std::string key_file;
  std::string client_ca_file;         // empty: clients are not asked for a certificate
  bool client_cert_required = false;  // only with a client_ca_file

  bool operator==(const TlsSpec&) const = default;
};

struct Config {
  // One of the two at least.
  std::optional<Endpoint> listen = Endpoint{"127.0.0.1", 7420};
  std::string listen_unix;  // the path of a Unix socket; empty: none
  std::optional<Endpoint> metrics_listen = Endpoint{"127.0.0.1", 9742};  // none: not served
  std::string ready_file;                                                // empty: not written
  bool insecure_allow_plaintext = false;
  std::optional<TlsSpec> tls;  // none: calls are not encrypted
  EngineKind engine = EngineKind::kH2;
  uint32_t max_connections_per_peer = 1024;               // 1 .. 65536
  bool steer_by_cpu = false;                              // only with kH2
  uint32_t busy_poll_us = 0;                              // 0 .. 10000, only with kH2
  std::chrono::milliseconds max_connection_age{0};        // 0: none
  std::chrono::milliseconds max_connection_age_grace{0};  // 0: for ever
  uint32_t workers = 0;                                   // 0: one for each usable CPU
  std::chrono::milliseconds shutdown_grace{5'000};
  bool reflection = true;
  std::string state_dir;    // empty: nothing outlives the server
  std::string policy_file;  // empty: no policy
  std::string audit_log;    // empty: none; "stderr", or a file
  AdminAccess admin = AdminAccess::kLocal;
  std::vector<PoolSpec> pools;  // 1 .. 1024, no two of one name

  bool operator==(const Config&) const = default;
};

}  // namespace objpool::server
