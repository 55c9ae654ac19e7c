// The first engine: gRPC's completion queues, with one server, queue and pinned thread for each
// worker. The servers share the port (SO_REUSEPORT), so a connection belongs to one worker for
// life, and so do the calls on it.
#include <absl/synchronization/mutex.h>

#include <memory>
#include <utility>

#include "server/rpc/engine.h"
#include "server/rpc/grpc_worker.h"
#include "server/rpc/worker_engine.h"

namespace objpool::rpc {

std::unique_ptr<Engine> StartGrpcEngine(const EngineOptions& options, const MethodTable& methods,
                                        WorkerHooks hooks, std::string& why) {
  // Debian builds Abseil with its deadlock detector on, which costs every call several per cent.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return StartWorkers<GrpcWorker>(options, methods, std::move(hooks), why);
}

}  // namespace objpool::rpc
