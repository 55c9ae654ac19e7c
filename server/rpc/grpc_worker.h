// GrpcWorker: one pinned thread with a gRPC server, its completion queue and its calls.
//
// Each waiting call is a coroutine that loops: wait for an arrival, serve it, wait again. There are
// enough of them that a burst finds one waiting, and so many at the most.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/rpc/engine.h"
#include "server/rpc/inflater.h"
#include "server/rpc/unix_socket_file.h"

namespace objpool::rpc {

class GrpcCall;

class GrpcWorker {
 public:
  // Loops that wait for calls: one for each call of a burst, so that it is taken up in one go.
  static constexpr std::size_t kIdleLoops = 32;
  // Unary calls at the same time: far more than a worker can answer in a second's patience; the
  // rest waits in gRPC.
  static constexpr std::size_t kMaxLoops = 4096;
  // Streams at the same time, beside those: they stay for long and must leave the others room.
  static constexpr std::size_t kMaxStreams = 8192;

  struct Shared {
    explicit Shared(const EngineOptions& /*options*/) {}
  };

  GrpcWorker(uint32_t index, const EngineOptions& options, const MethodTable& methods,
             const WorkerHooks& hooks, Shared& shared);
  ~GrpcWorker();

  static constexpr bool kCountsConnections = false;
  [[nodiscard]] static std::string EngineName() { return "grpc"; }
  [[nodiscard]] static std::string EngineVersion() { return grpc::Version(); }

  // See worker_engine.h. In this order, all by one thread.
  [[nodiscard]] bool Prepare(std::string& why);
  [[nodiscard]] bool Listen(uint16_t& port, UnixSocketFile* file, std::string& why);
  void Serve();
  // BeginStop tells streams to end.
  void BeginStop() { stopping_.store(true, std::memory_order_relaxed); }
  void Stop(std::chrono::system_clock::time_point deadline);
  // Any thread, at any time.
  void Wake();
  void Hurry() { hurry_.store(true, std::memory_order_relaxed); }

  [[nodiscard]] WorkerStats& stats() { return stats_; }
  [[nodiscard]] const std::string& pin_error() const { return pin_error_; }

  // For its calls.
  [[nodiscard]] uint32_t index() const { return index_; }
  [[nodiscard]] BootNs now() const { return now_; }
  [[nodiscard]] BootNs request_timeout_ns() const { return request_timeout_ns_; }
  [[nodiscard]] const MethodTable& methods() const { return methods_; }
  // Whether clients may have shown a certificate.
  [[nodiscard]] bool asks_for_certificates() const { return asks_for_certificates_; }
  [[nodiscard]] grpc::AsyncGenericService& service() { return service_; }
  [[nodiscard]] grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  [[nodiscard]] std::size_t max_request_bytes() const { return options_.max_request_bytes; }
  [[nodiscard]] Inflater& inflater() { return inflater_; }
  void Register(GrpcCall& call);
  void Unregister(GrpcCall& call);
  // False when there are too many.
  [[nodiscard]] bool StreamBegan();
  void StreamEnded() { --streams_; }

 private:
  struct Loop;  // the coroutine's return object
  Loop ServeCalls();
  void StartLoop();
  void CountCalls();
  void CutConnections(std::chrono::system_clock::time_point deadline);
  void Run();
  void RunUntilShutdown();
  void Tick();

  const uint32_t index_;
  const EngineOptions& options_;
  const MethodTable& methods_;
  const WorkerHooks& hooks_;
  const BootNs request_timeout_ns_;
  WorkerStats stats_;
  std::string pin_error_;
  std::string start_error_;

  grpc::AsyncGenericService service_;
  const bool asks_for_certificates_;
  std::shared_ptr<grpc::ServerCredentials> credentials_;  // must outlive the server
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;

  // The worker thread's own.
  BootNs now_ = 0;
  BootNs next_tick_ = 0;
  Inflater inflater_;
  std::size_t loops_ = 0;
  std::size_t idle_loops_ = 0;
  std::size_t streams_ = 0;
  std::vector<GrpcCall*> calls_;

  std::latch prepared_{1};     // counted down by the thread, when start_error_ is final
  std::atomic<int> go_{0};     // 0 wait, 1 serve, -1 leave
  std::latch loops_ended_{1};  // counted down by the thread, when no loop will ever wait again
  std::atomic<bool> stopping_{false};
  std::atomic<bool> hurry_{false};
  // An alarm on the queue is what another thread can end a wait with.
  std::mutex wake_lock_;
  bool wakeable_ = false;      // the queue is there, and not shut down
  bool wake_pending_ = false;  // one is as good as many
  grpc::Alarm wake_;
  std::thread thread_;
};

}  // namespace objpool::rpc
