// HealthService: grpc.health.v1 for the server as a whole, for each of its services and for each
// pool
// ("pools/NAME").
//
// A name is SERVING from the start until BeginShutdown, then NOT_SERVING; a pool that drains is
// NOT_SERVING too. Names of pools by workers only; the others by any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grpc/health/v1/health.pb.h"
#include "server/rpc/method_table.h"
#include "server/service/pool_set.h"
#include "server/service/typed_handler.h"

namespace objpool::server {

class HealthService {
 public:
  // `pools` must outlive the service.
  explicit HealthService(PoolSet& pools) : pools_(pools) {}

  // Add it last: the names it knows are those of the services in `methods`.
  void AddTo(rpc::MethodTable& methods, uint32_t workers);

  void BeginShutdown() { serving_.store(false, std::memory_order_relaxed); }

  // SERVICE_UNKNOWN for a name that is not served.
  [[nodiscard]] grpc::health::v1::HealthCheckResponse::ServingStatus StateOf(
      std::string_view name) const;

 private:
  [[nodiscard]] google::rpc::Status Check(const CallInfo& info,
                                          const grpc::health::v1::HealthCheckRequest& request,
                                          grpc::health::v1::HealthCheckResponse& reply) const;

  PoolSet& pools_;
  std::vector<std::string> services_;
  std::atomic<bool> serving_{true};
};

}  // namespace objpool::server
