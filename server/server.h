// Server: one objpoold from its configuration to its end.
//
// Start makes, in this order: the plan of workers, the pools (empty), the metrics endpoint, so that
// nobody is served by a server that cannot start, the engine, whose pinned workers attach their
// slots and then listen, and last the ready file. Stop undoes it. Before the pools it opens the
// state_dir, where there is one, and worker 0 tells that once a second how far the clock has come.
// Threads: all of it by the one that made it, but for Hurry.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/config/config.h"
#include "server/made_pools.h"
#include "server/metrics/http_endpoint.h"
#include "server/page_watch.h"
#include "server/pin_watch.h"
#include "server/policy_file.h"
#include "server/rpc/engine.h"
#include "server/rpc/method_table.h"
#include "server/rpc/tls_keys.h"
#include "server/service/audit_log.h"
#include "server/service/buffer_service.h"
#include "server/service/gate.h"
#include "server/service/health_service.h"
#include "server/service/lease_service.h"
#include "server/service/pool_changes.h"
#include "server/service/pool_service.h"
#include "server/service/reflection_service.h"
#include "server/service/session_service.h"
#include "server/store/state_dir.h"
#include "server/worker_plan.h"

namespace objpool::server {

class Server {
 public:
  // Null, with `why`, when anything that the configuration asks for cannot be had.
  [[nodiscard]] static std::unique_ptr<Server> Start(const Config& config, std::string& why);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Health says NOT_SERVING and nothing more is leased; renew and return go on, so that holders can
  // finish. Then Stop.
  void Drain();
  // Grants that run.
  [[nodiscard]] uint64_t ActiveGrants() const;
  // Lets calls under way go on for at most `grace`. False, with `why`, when something of ours is
  // left behind (the ready file). Once.
  [[nodiscard]] bool Stop(std::chrono::milliseconds grace, std::string& why);
  // Makes a Stop that runs wait for nothing more. Any thread.
  void Hurry() { engine_->Hurry(); }

  // How many turns each worker has made.
  [[nodiscard]] std::vector<uint64_t> WorkerTurns() const;

  // What serves where, and what a person should know about it: a line each.
  [[nodiscard]] std::vector<std::string> Describe() const;
  // The same of what has come about since the last call. To be called every second or so, because
  // it looks for it too.
  [[nodiscard]] std::vector<std::string> TakeNews();
  // Reads again what may change while it serves, and says what came of it.
  [[nodiscard]] std::vector<std::string> Reload();
  [[nodiscard]] std::string address() const { return engine_->address(); }

 private:
  explicit Server(const Config& config) : config_(config), made_pools_(config.state_dir) {}
  [[nodiscard]] bool Plan(std::string& why);
  [[nodiscard]] bool LoadTls(std::string& why);
  [[nodiscard]] bool OpenPools(std::string& why);
  [[nodiscard]] bool HasRoom(uint64_t more_bytes, std::string& why) const;
  void Wake(uint32_t worker);
  void Beat(rpc::BootNs now);
  [[nodiscard]] bool MakeGate(std::string& why);
  [[nodiscard]] bool StartEngine(std::string& why);
  [[nodiscard]] bool StartMetrics(std::string& why);
  [[nodiscard]] bool WriteReady(std::string& why);
  [[nodiscard]] metrics::HttpResponse Page(std::string_view path, std::string_view accept) const;

  const Config config_;
  const MadePools made_pools_;
  WorkerPlan plan_;
  std::unique_ptr<PinWatch> pins_;
  const std::unique_ptr<PageWatch> pages_ = std::make_unique<PageWatch>();
  std::unique_ptr<store::StateDir> state_;  // null without a state_dir
  std::unique_ptr<AuditLog> audit_;         // null without an audit_log
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<PolicyFile> policy_;
  lease::RequestMemory requests_;
  std::unique_ptr<LeaseWaiting> waiting_;  // outlives the pools, which call it
  std::unique_ptr<PoolSet> pools_;
  std::unique_ptr<PoolChanges> changes_;
  std::unique_ptr<DiskAnswers> disk_;
  std::unique_ptr<LeaseService> lease_service_;
  std::unique_ptr<SessionService> session_service_;
  std::unique_ptr<PoolService> pool_service_;
  std::unique_ptr<BufferService> buffer_service_;
  std::unique_ptr<HealthService> health_service_;
  ReflectionService reflection_service_;
  rpc::MethodTable methods_;
  std::unique_ptr<rpc::TlsKeys> tls_;  // null where nothing is encrypted
  std::unique_ptr<rpc::Engine> engine_;
  // For workers, who serve calls while StartEngine is still at it.
  std::atomic<rpc::Engine*> engine_to_wake_{nullptr};
  std::unique_ptr<metrics::HttpEndpoint> metrics_;
  rpc::BootNs next_beat_ = 0;  // of worker 0
  std::string ready_json_;     // what the ready file holds; empty while there is none of ours
  // The metrics endpoint is there before what it shows is: R1, set when all is up, pairs with A1,
  // the load by its thread.
  rpc::BootNs up_since_ = 0;
  std::atomic<bool> up_{false};
};

}  // namespace objpool::server
