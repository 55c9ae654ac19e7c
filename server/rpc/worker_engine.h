// WorkerEngine: an Engine made of workers of one kind, which share the port (SO_REUSEPORT).
//
// A Worker has, beside what Engine asks of it: Shared, of which the workers of an engine have one
// together, made of the options; EngineName, EngineVersion and kCountsConnections; Prepare, which
// starts its thread, pins it and runs on_start there; Listen, which takes the port (0: any) and
// says which it is, and the Unix socket that the first worker is given, false with a reason when it
// cannot; Serve, which lets the thread go; BeginStop, which tells that the end comes; and Stop,
// which waits for the calls under way until a deadline, cancels the rest and joins the thread. Stop
// is also good for a worker that never came to serve.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "pool/base/check.h"
#include "server/rpc/engine.h"
#include "server/rpc/port_claim.h"
#include "server/rpc/unix_socket_file.h"

namespace objpool::rpc {

template <class Worker>
class WorkerEngine final : public Engine {
 public:
  WorkerEngine(EngineOptions options, const MethodTable& methods, WorkerHooks hooks,
               PortClaim claim)
      : options_(std::move(options)),
        hooks_(std::move(hooks)),
        claim_(std::move(claim)),
        shared_(options_) {
    for (uint32_t i = 0; i < options_.worker_cpus.size(); ++i) {
      workers_.push_back(std::make_unique<Worker>(i, options_, methods, hooks_, shared_));
    }
  }
  ~WorkerEngine() override { Stop(std::chrono::milliseconds(0)); }

  // Nothing listens before every worker is ready.
  [[nodiscard]] bool Start(std::string& why) {
    for (const auto& worker : workers_) {
      if (!worker->Prepare(why)) return false;
    }
    if (!options_.unix_path.empty()) {
      unix_file_ = UnixSocketFile::Claim(options_.unix_path, why);
      if (unix_file_ == nullptr) return false;
    }
    for (const auto& worker : workers_) {
      UnixSocketFile* const file = worker == workers_.front() ? unix_file_.get() : nullptr;
      if (!worker->Listen(options_.port, file, why)) return false;
    }
    for (const auto& worker : workers_) worker->Serve();
    return true;
  }

  [[nodiscard]] std::string name() const override { return Worker::EngineName(); }
  [[nodiscard]] std::string version() const override { return Worker::EngineVersion(); }
  [[nodiscard]] std::string address() const override {
    if (options_.host.empty()) return "unix:" + options_.unix_path;
    const bool v6 = options_.host.find(':') != std::string::npos;
    return (v6 ? "[" + options_.host + "]" : options_.host) + ":" + std::to_string(options_.port);
  }
  [[nodiscard]] uint32_t workers() const override { return static_cast<uint32_t>(workers_.size()); }
  [[nodiscard]] const WorkerStats& stats(uint32_t worker) const override {
    return workers_[worker]->stats();
  }
  [[nodiscard]] bool counts_connections() const override { return Worker::kCountsConnections; }
  [[nodiscard]] std::string pin_error(uint32_t worker) const override {
    return workers_[worker]->pin_error();
  }

  void Stop(std::chrono::milliseconds grace) override {
    const auto deadline = std::chrono::system_clock::now() + grace;
    unix_file_.reset();  // nobody should come any more
    for (const auto& worker : workers_) worker->BeginStop();
    // Side by side, because each takes as long as its slowest call.
    std::vector<std::jthread> stoppers;
    for (const auto& worker : workers_) {
      try {
        stoppers.emplace_back([&worker, deadline] { worker->Stop(deadline); });
      } catch (const std::system_error&) {
        worker->Stop(deadline);  // no thread to be had
      }
    }
  }
  void Wake(uint32_t worker) override { workers_[worker]->Wake(); }
  void Hurry() override {
    for (const auto& worker : workers_) worker->Hurry();
  }

 private:
  EngineOptions options_;
  WorkerHooks hooks_;
  const PortClaim claim_;
  typename Worker::Shared shared_;
  std::unique_ptr<UnixSocketFile> unix_file_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

// What StartGrpcEngine and its like do, for workers of this kind.
template <class Worker>
[[nodiscard]] std::unique_ptr<Engine> StartWorkers(const EngineOptions& options,
                                                   const MethodTable& methods, WorkerHooks hooks,
                                                   std::string& why) {
  OBJPOOL_CHECK(!options.worker_cpus.empty(), "there is a worker");
  auto claim = PortClaim::Take(options.host, options.port, why);
  if (!claim) return nullptr;
  auto engine =
      std::make_unique<WorkerEngine<Worker>>(options, methods, std::move(hooks), *std::move(claim));
  if (!engine->Start(why)) return nullptr;
  return engine;
}

}  // namespace objpool::rpc
