#include "server/server.h"

#include <unistd.h>

#include <functional>
#include <optional>
#include <utility>

#include "pool/affinity.h"
#include "pool/topology.h"
#include "server/collector.h"
#include "server/control_group.h"
#include "server/pages.h"
#include "server/ready_file.h"

namespace objpool::server {
namespace {

// Without hwloc's view of the machine, the allowed CPUs are one node without caches.
Topology DetectTopology() {
  std::string why;
  if (std::optional<Topology> topology = Topology::Detect(why)) return *std::move(topology);
  std::vector<Cpu> cpus;
  for (const uint32_t cpu : AllowedCpus()) cpus.push_back({.os_index = cpu, .core = cpu});
  if (cpus.empty()) cpus.emplace_back();
  return Topology(std::move(cpus), {});
}

std::string Plural(std::size_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

std::unique_ptr<Server> Server::Start(const Config& config, std::string& why) {
  std::unique_ptr<Server> server(new Server(config));
  if (!server->LoadTls(why) || !server->Plan(why) || !server->MakeGate(why) ||
      !server->StartMetrics(why) || !server->StartEngine(why) || !server->WriteReady(why)) {
    return nullptr;
  }
  return server;
}

Server::~Server() {
  // Their threads wake workers.
  if (changes_ != nullptr) changes_->Stop();
  if (disk_ != nullptr) disk_->Stop();
  std::string why;
  if (!ready_json_.empty()) (void)RemoveOwnReadyFile(config_.ready_file, ready_json_, why);
}

bool Server::LoadTls(std::string& why) {
  if (!config_.tls) return true;
  tls_ = rpc::TlsKeys::Load({.cert = config_.tls->cert_file,
                             .key = config_.tls->key_file,
                             .client_ca = config_.tls->client_ca_file,
                             .client_cert_required = config_.tls->client_cert_required},
                            why);
  return tls_ != nullptr;
}

bool Server::Plan(std::string& why) {
  auto plan = PlanWorkers(DetectTopology(), CpuQuotaCpus(), config_.workers, why);
  if (!plan) return false;
  plan_ = *std::move(plan);
  pins_ = std::make_unique<PinWatch>(
      plan_.cpus, PinWatch::System{.pin = PinThisThread, .allowed = AllowedCpus});
  if (!OpenPools(why)) return false;
  return HasRoom(0, why);
}

bool Server::OpenPools(std::string& why) {
  const uint64_t boot_ms = rpc::BootNow() / 1'000'000;
  waiting_ = std::make_unique<LeaseWaiting>(
      plan_.slots->slots(), [this](uint32_t worker) { Wake(worker); }, requests_);
  PoolSet::Options options;
  options.maker.slots = plan_.slots;
  options.maker.requests = &requests_;
  options.maker.on_served = [this](lease::Waiter& waiter) { waiting_->OnServed(waiter); };
  if (!config_.state_dir.empty()) {
    state_ = store::StateDir::Open(config_.state_dir, store::CurrentBoot(), boot_ms, why);
    if (state_ == nullptr) {
      why = "state_dir: " + why;
      return false;
    }
    options.maker.state = state_.get();
    options.clock.offset_ms = state_->clock_offset_ms();
  }
  options.now = boot_ms + options.clock.offset_ms;
  std::vector<PoolSpec> pools = config_.pools;
  if (!made_pools_.Load(pools, why)) {
    why = "state_dir: " + why;
    return false;
  }
  pools_ = PoolSet::Create(pools, options, why);
  if (pools_ == nullptr) return false;
  PoolChanges::Hooks hooks;
  hooks.keep = std::bind_front(&MadePools::Keep, &made_pools_);
  hooks.forget = std::bind_front(&MadePools::Forget, &made_pools_);
  hooks.remove_file = std::bind_front(&MadePools::RemovePoolFile, &made_pools_);
  hooks.has_room = std::bind_front(&Server::HasRoom, this);
  hooks.wake = [this](uint32_t worker) { Wake(worker); };
  hooks.now = [this] { return pools_->clock().At(rpc::BootNow()); };
  changes_ = std::make_unique<PoolChanges>(*pools_, hooks);
  return true;
}

// Pages are filled when a pool is made, and where they do not fit, the kernel kills somebody.
bool Server::HasRoom(uint64_t more_bytes, std::string& why) const {
  const std::optional<uint64_t> limit = MemoryLimitBytes();
  const uint64_t bytes = pools_->memory_bytes() + more_bytes;
  if (!limit || bytes <= *limit) return true;
  why = "pools: must fit into the memory that this process may fill, " + std::to_string(*limit) +
        " bytes, but need " + std::to_string(bytes) + " bytes";
  return false;
}

bool Server::MakeGate(std::string& why) {
  const uint32_t workers = plan_.slots->slots();
  if (!config_.audit_log.empty()) {
    // One more lane, for the thread that looks after the policy.
    audit_ = AuditLog::Open(config_.audit_log, workers + 1, why);
    if (audit_ == nullptr) {
      why = "audit_log: " + why;
      return false;
    }
  }
  gate_ = std::make_unique<Gate>(workers, config_.admin, audit_.get());
  const auto note = [this, workers](bool ok, const std::string& wrong) {
    if (audit_ == nullptr) return;
    audit_->Add(workers, {.kind = "policy", .result = ok ? "OK" : "FAILED", .reason = wrong});
  };
  policy_ = std::make_unique<PolicyFile>(config_.policy_file,
                                         std::bind_front(&Gate::Use, gate_.get()), note);
  return policy_->Load(why);
}

// Without an engine yet, the worker looks by itself some milliseconds later.
void Server::Wake(uint32_t worker) {
  if (rpc::Engine* const engine = engine_to_wake_.load(std::memory_order_acquire)) {
    engine->Wake(worker);
  }
}

// On worker 0, every turn.
void Server::Beat(rpc::BootNs now) {
  constexpr rpc::BootNs kEveryNs = 1'000'000'000;
  if (state_ == nullptr || now < next_beat_) return;
  next_beat_ = now + kEveryNs;
  state_->Beat(now / 1'000'000);
  if (state_->gone()) lease_service_->LoseState();
}

bool Server::StartEngine(std::string& why) {
  const uint32_t workers = plan_.slots->slots();
  disk_ =
      std::make_unique<DiskAnswers>(*pools_, workers, [this](uint32_t worker) { Wake(worker); });
  waiting_->AnswerBy(*disk_);
  waiting_->GuardBy(*gate_);
  lease_service_ = std::make_unique<LeaseService>(
      *pools_, *waiting_, requests_, *disk_,
      state_ == nullptr ? lease::RandomSecret() : state_->request_secret());
  lease_service_->AddTo(methods_, workers, *gate_);
  session_service_ = std::make_unique<SessionService>(*pools_, *lease_service_, workers,
                                                      [this](uint32_t worker) { Wake(worker); });
  session_service_->AddTo(methods_, *gate_);
  pool_service_ = std::make_unique<PoolService>(*pools_, *changes_, state_ != nullptr);
  pool_service_->AddTo(methods_, workers, *gate_);
  buffer_service_ = std::make_unique<BufferService>(*pools_);
  buffer_service_->AddTo(methods_, workers, *gate_);
  health_service_ = std::make_unique<HealthService>(*pools_);
  health_service_->AddTo(methods_, workers);
  if (config_.reflection) reflection_service_.AddTo(methods_, *gate_);
  rpc::EngineOptions options;
  options.host = config_.listen ? config_.listen->host : "";
  options.port = config_.listen ? config_.listen->port : uint16_t{0};
  options.unix_path = config_.listen_unix;
  options.worker_cpus = plan_.cpus;
  options.max_connections_per_peer = config_.max_connections_per_peer;
  options.steer_by_cpu = config_.steer_by_cpu;
  options.busy_poll = std::chrono::microseconds(config_.busy_poll_us);
  options.max_connection_age = config_.max_connection_age;
  options.max_connection_age_grace = config_.max_connection_age_grace;
  options.tls = tls_.get();
  rpc::WorkerHooks hooks;
  hooks.on_start = [this](uint32_t worker, std::string& reason) {
    // The port is ours by now, so what a killed server left there is nobody's.
    if (worker == 0 && !config_.ready_file.empty() &&
        !RemoveReadyFile(config_.ready_file, reason)) {
      return false;
    }
    pins_->Look(worker, rpc::BootNow());
    return pools_->Attach(worker, reason);
  };
  hooks.on_turn = [this](uint32_t worker, rpc::BootNs now) {
    if (worker == 0) Beat(now);
    pins_->Look(worker, now);
    const lease::BootMs at = pools_->clock().At(now);
    waiting_->Turn(worker, at, lease_service_->shutting_down());
    changes_->Turn(worker, lease_service_->shutting_down());
    disk_->Turn(worker);
    const bool more = session_service_->Turn(worker, at);
    return pools_->Turn(worker, at) || more;  // last, see there
  };
  const auto start = config_.engine == EngineKind::kH2 ? rpc::StartH2Engine : rpc::StartGrpcEngine;
  engine_ = start(options, methods_, std::move(hooks), why);
  if (engine_ == nullptr) {
    why = "listen: " + why;
    return false;
  }
  engine_to_wake_.store(engine_.get(), std::memory_order_release);
  up_since_ = rpc::BootNow();
  up_.store(true, std::memory_order_release);  // R1 -> A1
  return true;
}

bool Server::StartMetrics(std::string& why) {
  if (!config_.metrics_listen) return true;
  metrics::HttpEndpoint::Options options;
  options.host = config_.metrics_listen->host;
  options.port = config_.metrics_listen->port;
  metrics_ = metrics::HttpEndpoint::Start(
      options,
      [this](std::string_view path, std::string_view accept) { return Page(path, accept); }, why);
  if (metrics_ == nullptr) why = "metrics_listen: " + why;
  return metrics_ != nullptr;
}

bool Server::WriteReady(std::string& why) {
  if (config_.ready_file.empty()) return true;
  const std::string metrics = metrics_ == nullptr ? "" : metrics_->address();
  const std::string json = ReadyFileJson(getpid(), engine_->address(), metrics);
  if (!WriteReadyFile(config_.ready_file, json, why)) {
    why = "ready_file: " + why;
    return false;
  }
  ready_json_ = json;
  return true;
}

metrics::HttpResponse Server::Page(std::string_view path, std::string_view accept) const {
  if (!up_.load(std::memory_order_acquire)) return StartingPage();  // A1 <- R1
  return PageAt(
      path, accept,
      {.cells = {*pools_, *plan_.slots, methods_, *engine_, *session_service_, *disk_, *pins_,
                 *pages_, *gate_, *policy_, audit_.get(), tls_.get()},
       .serving = health_service_->StateOf("") == grpc::health::v1::HealthCheckResponse::SERVING,
       .up_since = up_since_});
}

void Server::Drain() {
  health_service_->BeginShutdown();
  lease_service_->BeginShutdown();
}

uint64_t Server::ActiveGrants() const {
  uint64_t sum = 0;
  for (const NamedPool& pool : pools_->pools()) sum += pool.leases->Totals().active();
  return sum;
}

bool Server::Stop(std::chrono::milliseconds grace, std::string& why) {
  Drain();
  // First, so that nobody who reads the file comes to a closed door.
  bool clean = true;
  if (!ready_json_.empty()) clean = RemoveOwnReadyFile(config_.ready_file, ready_json_, why);
  ready_json_.clear();
  engine_->Stop(grace);
  changes_->Stop();
  metrics_.reset();
  if (state_ != nullptr &&
      (!pools_->Sync(why) || !state_->Close(rpc::BootNow() / 1'000'000, why))) {
    why = "state_dir: " + why;
    return false;
  }
  return clean;
}

std::vector<std::string> Server::TakeNews() {
  std::vector<std::string> news = pins_->TakeNews();
  const auto add = [&](const std::vector<std::string>& more) {
    news.insert(news.end(), more.begin(), more.end());
  };
  add(policy_->Look());
  if (std::string line = tls_ == nullptr ? "" : tls_->Look(); !line.empty()) {
    news.push_back(std::move(line));
  }
  if (audit_ != nullptr) add(audit_->TakeNews());
  return news;
}

std::vector<std::string> Server::Reload() {
  if (!policy_->named() && audit_ == nullptr && tls_ == nullptr) {
    return {"nothing is configured that is read again"};
  }
  if (audit_ != nullptr) audit_->Reopen();
  std::vector<std::string> lines = policy_->Reload();
  if (tls_ != nullptr) lines.push_back(tls_->Reload());
  return lines;
}

std::vector<uint64_t> Server::WorkerTurns() const {
  std::vector<uint64_t> turns(engine_->workers());
  for (uint32_t worker = 0; worker < turns.size(); ++worker) {
    turns[worker] = engine_->stats(worker).turns.value();
  }
  return turns;
}

std::vector<std::string> Server::Describe() const {
  const uint32_t workers = engine_->workers();
  std::vector<std::string> lines;
  const bool both = config_.listen && !config_.listen_unix.empty();
  lines.push_back("serving " + Plural(pools_->pools().size(), "pool") + " on " +
                  engine_->address() + (tls_ == nullptr ? "" : " (TLS)") +
                  (both ? " and unix:" + config_.listen_unix : "") + " with " +
                  Plural(workers, "worker"));
  if (metrics_ != nullptr) {
    lines.push_back("metrics at http://" + metrics_->address() + "/metrics, and a live page at /");
  }
  if (state_ == nullptr) {
    lines.push_back(
        "all pools are volatile: after a restart, handles that clients still hold can be leased "
        "again; --state_dir keeps them");
  } else {
    uint64_t kept = 0;  // what has run out since is being taken back already
    for (const NamedPool& pool : pools_->pools()) kept += pool.leases->Totals().recovered;
    lines.push_back("state in " + state_->path() + ", with " + Plural(kept, "running grant"));
  }
  if (policy_->named()) {
    lines.push_back("policy of " + Plural(policy_->rules(), "rule") + " from " + policy_->path());
  } else if (config_.admin == AdminAccess::kLocal && config_.listen &&
             !IsLoopback(config_.listen->host)) {
    lines.push_back(
        "clients of other hosts may lease but not administer; a policy_file, or admin: "
        "ADMIN_ACCESS_ALL, allows it");
  }
  if (!plan_.unpinned_because.empty()) {
    lines.push_back("workers are not pinned to CPUs: " + plan_.unpinned_because);
  }
  for (uint32_t worker = 0; worker < workers; ++worker) {
    const std::string error = engine_->pin_error(worker);
    if (!error.empty()) lines.push_back("worker " + std::to_string(worker) + ": " + error);
  }
  return lines;
}

}  // namespace objpool::server
