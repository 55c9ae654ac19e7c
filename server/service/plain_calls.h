// PlainCalls: the calls of Lease and Return that need no message to be made of them.
//
// Threads: each worker for itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pool/base/cache_line.h"
#include "server/rpc/call.h"
#include "server/service/gate.h"
#include "server/service/lease_clock.h"
#include "server/service/lease_service.h"

namespace objpool::server {

class PlainCalls {
 public:
  // `service` and `gate` must outlive the calls.
  PlainCalls(LeaseService& service, LeaseClock clock, uint32_t workers, Gate& gate)
      : service_(service), clock_(clock), gate_(gate), replies_(workers) {}

  // Answers the call. False where it is not plain: nothing has been done then.
  [[nodiscard]] bool Lease(rpc::UnaryCall& call);
  [[nodiscard]] bool Return(rpc::UnaryCall& call);

 private:
  struct alignas(base::kCacheLineBytes) Reply {
    std::string bytes;
  };

  // Empty, and with the memory of the one before.
  [[nodiscard]] std::string& NewReply(const rpc::UnaryCall& call);
  static void Finish(rpc::UnaryCall& call, const std::string& reply);

  LeaseService& service_;
  const LeaseClock clock_;
  Gate& gate_;
  std::vector<Reply> replies_;  // by worker
};

}  // namespace objpool::server
