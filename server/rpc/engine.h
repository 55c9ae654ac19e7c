// Engine: the transport behind the seam. It owns the workers: one thread each, pinned to one CPU,
// which polls its own events and runs the handlers of its own calls.
//
// There are two, alike in all that handlers and clients can see: gRPC's own, and one on libnghttp2.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/rpc/boot_clock.h"
#include "server/rpc/method_table.h"
#include "server/rpc/worker_stats.h"

namespace objpool::rpc {

class TlsKeys;

struct EngineOptions {
  std::string host = "127.0.0.1";  // an address, without brackets; empty: no TCP
  uint16_t port = 0;               // 0: any that is free
  std::string unix_path;           // of a Unix socket to listen on too; empty: none
  // Not null: connections are encrypted, with these. They must outlive the engine.
  const TlsKeys* tls = nullptr;
  // The CPU of each worker, by the operating system's number; empty: the worker is not pinned.
  std::vector<std::optional<uint32_t>> worker_cpus;
  // Requests longer than this are refused with RESOURCE_EXHAUSTED.
  std::size_t max_request_bytes = std::size_t{256} * 1024;
  // A call whose request has not arrived whole after this is cancelled, and so is one whose answer
  // the client has not taken after as long.
  std::chrono::milliseconds request_timeout{10'000};
  // Connections of one client, told by its address (peer.h), over all workers; more are refused as
  // they come. Only by an engine that counts connections.
  uint32_t max_connections_per_peer = 1024;
  // Gives a new connection to the worker that is pinned to the CPU on which the kernel saw it come,
  // instead of to any. All workers must be pinned. Likewise.
  bool steer_by_cpu = false;
  // How long a worker asks for more, after it served somebody, before it sleeps. Likewise.
  std::chrono::microseconds busy_poll{0};
  // A connection this old, give or take a tenth, is asked to go: its calls may end, and new ones go
  // over a new connection. After the grace it is closed. 0: never.
  std::chrono::milliseconds max_connection_age{0};
  std::chrono::milliseconds max_connection_age_grace{0};
};

// What the owner does on the workers' threads.
struct WorkerHooks {
  // Once, on the pinned thread, before its first call. False stops the start, with `why`.
  std::function<bool(uint32_t worker, std::string& why)> on_start;
  // After every turn of the loop, at least every 20 ms. True asks for the next turn at once.
  std::function<bool(uint32_t worker, BootNs now)> on_turn;
};

class Engine {
 public:
  virtual ~Engine() = default;
  // What carries the calls: "grpc", and the version of that: "1.51.1".
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::string version() const = 0;
  // Where it listens: "127.0.0.1:7420"; without TCP, "unix:/run/objpoold.sock".
  [[nodiscard]] virtual std::string address() const = 0;
  [[nodiscard]] virtual uint32_t workers() const = 0;
  [[nodiscard]] virtual const WorkerStats& stats(uint32_t worker) const = 0;
  // Whether it sees connections, and counts them in those.
  [[nodiscard]] virtual bool counts_connections() const = 0;
  // Why the worker is not pinned; empty when it is, or need not be.
  [[nodiscard]] virtual std::string pin_error(uint32_t worker) const = 0;
  // Makes the worker take its next turn at once. Any thread.
  virtual void Wake(uint32_t worker) = 0;
  // Takes no new connections and calls, lets those under way end for at most `grace`, cancels the
  // rest and joins the workers. Once, by any thread but a worker's.
  virtual void Stop(std::chrono::milliseconds grace) = 0;
  // Makes a Stop that runs, or is to come, wait for nothing. Any thread.
  virtual void Hurry() = 0;
};

// Starts to serve; `methods` must outlive the engine. Null, with `why`, when the address cannot be
// had or a hook refuses.
[[nodiscard]] std::unique_ptr<Engine> StartGrpcEngine(const EngineOptions& options,
                                                      const MethodTable& methods, WorkerHooks hooks,
                                                      std::string& why);
// The same on libnghttp2.
[[nodiscard]] std::unique_ptr<Engine> StartH2Engine(const EngineOptions& options,
                                                    const MethodTable& methods, WorkerHooks hooks,
                                                    std::string& why);

}  // namespace objpool::rpc
