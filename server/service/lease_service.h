// LeaseService: the data plane of the API. Each function turns a message into a call of the lease
// core and its outcome into a message.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "objpool/v1/lease_service.pb.h"
#include "server/lease/batch_room.h"
#include "server/rpc/method_table.h"
#include "server/service/lease_waiting.h"
#include "server/service/plain_wire.h"
#include "server/service/pool_set.h"
#include "server/service/typed_handler.h"

namespace objpool::server {

class LeaseService {
 public:
  // All must outlive the service.
  LeaseService(PoolSet& pools, LeaseWaiting& waiting, lease::RequestMemory& requests,
               DiskAnswers& disk, const lease::Secret& request_secret)
      : pools_(pools),
        waiting_(waiting),
        requests_(requests),
        disk_(disk),
        secret_(request_secret) {}

  // `gate` must outlive the calls.
  void AddTo(rpc::MethodTable& methods, uint32_t workers, Gate& gate);

  // From now on no handle is leased; renew and return go on. Any thread.
  void BeginShutdown() { shutting_down_.store(true, std::memory_order_relaxed); }

  // The same, because what would be leased could not be remembered.
  void LoseState() { state_lost_.store(true, std::memory_order_relaxed); }

  [[nodiscard]] DiskAnswers& disk() const { return disk_; }

  [[nodiscard]] bool shutting_down() const {
    return shutting_down_.load(std::memory_order_relaxed);
  }

  // Empty when the call waits, and is answered later.
  [[nodiscard]] std::optional<google::rpc::Status> Lease(const CallInfo& info,
                                                         const v1::LeaseRequest& request,
                                                         v1::LeaseResponse& reply);
  [[nodiscard]] google::rpc::Status Return(const CallInfo& info, const v1::ReturnRequest& request,
                                           v1::ReturnResponse& reply);

  // The same without messages, of what is plain. Without an error they have given all, or looked at
  // all.
  struct PlainGrants {
    NamedPool* pool = nullptr;
    std::span<const lease::GrantRef> refs;
    uint64_t ttl_ms = 0;
  };
  [[nodiscard]] std::optional<google::rpc::Status> LeasePlain(
      const CallInfo& info, const PlainLease& request, lease::BatchRoom<lease::GrantRef>& room,
      PlainGrants& grants);
  struct PlainEnds {
    NamedPool* pool = nullptr;
    std::span<const lease::Verdict> verdicts;
  };
  [[nodiscard]] std::optional<google::rpc::Status> ReturnPlain(
      const CallInfo& info, const PlainReturn& request, lease::BatchRoom<lease::Verdict>& room,
      PlainEnds& ends);
  // What Return answers to that.
  [[nodiscard]] static google::rpc::Status AnswerReturn(const NamedPool& pool,
                                                        std::span<const lease::GrantRef> refs,
                                                        std::span<const lease::Verdict> verdicts,
                                                        lease::BootMs now,
                                                        v1::ReturnResponse& reply);

  [[nodiscard]] google::rpc::Status Renew(const CallInfo& info, const v1::RenewRequest& request,
                                          v1::RenewResponse& reply);
  [[nodiscard]] google::rpc::Status GetGrant(const CallInfo& info,
                                             const v1::GetGrantRequest& request,
                                             v1::GetGrantResponse& reply);
  [[nodiscard]] google::rpc::Status CheckFence(const CallInfo& info,
                                               const v1::CheckFenceRequest& request,
                                               v1::CheckFenceResponse& reply);
  [[nodiscard]] google::rpc::Status ListGrants(const CallInfo& info,
                                               const v1::ListGrantsRequest& request,
                                               v1::ListGrantsResponse& reply);

 private:
  [[nodiscard]] std::optional<google::rpc::Status> LeaseAgain(const CallInfo& info,
                                                              const LeaseWaiting::Wish& wish,
                                                              v1::LeaseResponse& reply);
  [[nodiscard]] bool LeaseTheRest(const CallInfo& info, const LeaseWaiting::Wish& wish,
                                  std::vector<lease::GrantRef>& grants);
  [[nodiscard]] std::optional<google::rpc::Status> RefuseAll(const NamedPool& pool,
                                                             lease::BootMs now) const;
  [[nodiscard]] std::optional<google::rpc::Status> Admit(const CallInfo& info,
                                                         LeaseWaiting::Wish& wish) const;
  void CountCall(const CallInfo& info, const NamedPool& pool) const;
  [[nodiscard]] std::optional<google::rpc::Status> LeaseNow(const CallInfo& info,
                                                            LeaseWaiting::Wish& wish,
                                                            std::string_view holder,
                                                            std::span<lease::GrantRef> room,
                                                            uint32_t& granted);

  PoolSet& pools_;
  LeaseWaiting& waiting_;
  lease::RequestMemory& requests_;
  DiskAnswers& disk_;
  const lease::Secret secret_;  // of the hashes of requests
  std::atomic<bool> shutting_down_{false};
  std::atomic<bool> state_lost_{false};
};

}  // namespace objpool::server
