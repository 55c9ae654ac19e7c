// PoolService: the control plane of the API.
#pragma once

#include "objpool/v1/pool_service.pb.h"
#include "server/rpc/method_table.h"
#include "server/service/pool_set.h"
#include "server/service/typed_handler.h"

namespace objpool::server {

class PoolService {
 public:
  // `pools` must outlive the service.
  explicit PoolService(PoolSet& pools) : pools_(pools) {}

  void AddTo(rpc::MethodTable& methods, uint32_t workers);

  [[nodiscard]] google::rpc::Status GetPool(const CallInfo& info, const v1::GetPoolRequest& request,
                                            v1::GetPoolResponse& reply);
  [[nodiscard]] google::rpc::Status ListPools(const CallInfo& info,
                                              const v1::ListPoolsRequest& request,
                                              v1::ListPoolsResponse& reply);
  [[nodiscard]] google::rpc::Status GetPoolStats(const CallInfo& info,
                                                 const v1::GetPoolStatsRequest& request,
                                                 v1::GetPoolStatsResponse& reply);
  [[nodiscard]] google::rpc::Status RevokeGrant(const CallInfo& info,
                                                const v1::RevokeGrantRequest& request,
                                                v1::RevokeGrantResponse& reply);

 private:
  PoolSet& pools_;
};

}  // namespace objpool::server
