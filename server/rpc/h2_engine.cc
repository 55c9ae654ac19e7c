// The second engine: a gRPC server of our own on libnghttp2, with one epoll loop and one pinned
// thread for each worker. A connection is read, served and answered by one worker for life.
#include <memory>
#include <utility>

#include "server/rpc/engine.h"
#include "server/rpc/h2_worker.h"
#include "server/rpc/worker_engine.h"

namespace objpool::rpc {

std::unique_ptr<Engine> StartH2Engine(const EngineOptions& options, const MethodTable& methods,
                                      WorkerHooks hooks, std::string& why) {
  return StartWorkers<H2Worker>(options, methods, std::move(hooks), why);
}

}  // namespace objpool::rpc
