// PoolService: the control plane of the API.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "objpool/v1/pool_service.pb.h"
#include "server/rpc/method_table.h"
#include "server/service/pool_changes.h"
#include "server/service/pool_set.h"
#include "server/service/typed_handler.h"

namespace objpool::server {

class PoolService {
 public:
  static constexpr const char* kName = "objpool.v1.PoolService";

  // Both must outlive the service.
  PoolService(PoolSet& pools, PoolChanges& changes, bool has_state_dir)
      : pools_(pools), changes_(changes), has_state_dir_(has_state_dir) {}

  // `gate` must outlive the calls.
  void AddTo(rpc::MethodTable& methods, uint32_t workers, Gate& gate);

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

  // pool_admin.cc
  [[nodiscard]] std::optional<google::rpc::Status> CreatePool(const CallInfo& info,
                                                              const v1::CreatePoolRequest& request,
                                                              v1::CreatePoolResponse& reply);
  [[nodiscard]] google::rpc::Status UpdatePool(const CallInfo& info,
                                               const v1::UpdatePoolRequest& request,
                                               v1::UpdatePoolResponse& reply);
  [[nodiscard]] google::rpc::Status DrainPool(const CallInfo& info,
                                              const v1::DrainPoolRequest& request,
                                              v1::DrainPoolResponse& reply);
  [[nodiscard]] google::rpc::Status ResumePool(const CallInfo& info,
                                               const v1::ResumePoolRequest& request,
                                               v1::ResumePoolResponse& reply);
  [[nodiscard]] google::rpc::Status DeletePool(const CallInfo& info,
                                               const v1::DeletePoolRequest& request,
                                               v1::DeletePoolResponse& reply);

  // pool_handles.cc
  [[nodiscard]] google::rpc::Status GetHandle(const CallInfo& info,
                                              const v1::GetHandleRequest& request,
                                              v1::GetHandleResponse& reply);
  [[nodiscard]] google::rpc::Status ListHandles(const CallInfo& info,
                                                const v1::ListHandlesRequest& request,
                                                v1::ListHandlesResponse& reply);
  [[nodiscard]] google::rpc::Status QuarantineHandle(const CallInfo& info,
                                                     const v1::QuarantineHandleRequest& request,
                                                     v1::QuarantineHandleResponse& reply);
  [[nodiscard]] google::rpc::Status ReinstateHandle(const CallInfo& info,
                                                    const v1::ReinstateHandleRequest& request,
                                                    v1::ReinstateHandleResponse& reply);
  [[nodiscard]] std::optional<google::rpc::Status> AuditPool(const CallInfo& info,
                                                             const v1::AuditPoolRequest& request,
                                                             v1::AuditPoolResponse& reply);

 private:
  void AddAdminTo(rpc::MethodTable& methods, uint32_t workers, Gate& gate);
  void AddHandlesTo(rpc::MethodTable& methods, uint32_t workers, Gate& gate);
  // Of a call that is answered later.
  void Note(rpc::UnaryCall& call, settings::Method method, const std::string& pool,
            const google::rpc::Status& result);
  void SetDraining(NamedPool& pool, bool draining);

  PoolSet& pools_;
  PoolChanges& changes_;
  const bool has_state_dir_;
  Gate* gate_ = nullptr;   // set by AddTo
  std::mutex admin_lock_;  // of those who change a pool
};

// The pool as it is now, by the clock of leases.
void DescribePool(const NamedPool& pool, lease::BootMs now, v1::Pool& to);
// Its slots, and what became of its grants.
void DescribeStats(const NamedPool& named, v1::GetPoolStatsResponse& to);

}  // namespace objpool::server
