// DiskAnswers: answers that may be given only when the disk has what they tell of.
//
// Threads: Hold and Turn by the worker; the rest by any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pool/base/cache_line.h"
#include "server/rpc/call.h"
#include "server/service/pool_set.h"
#include "server/store/group_commit.h"

namespace objpool::server {

class DiskAnswers {
 public:
  // `wake` makes a worker take its next turn soon. The set must outlive the object.
  DiskAnswers(PoolSet& pools, uint32_t workers, std::function<void(uint32_t worker)> wake);
  ~DiskAnswers();

  // See GroupCommit.
  void Stop() { commit_.Stop(); }

  // For what the worker has just stored in the pool; 0 when its answers need not wait.
  [[nodiscard]] uint64_t TicketFor(const NamedPool& pool);
  [[nodiscard]] store::GroupCommit::State StateOf(uint64_t ticket) const {
    return commit_.StateOf(ticket);
  }
  // Whether the disk has failed; nothing more may be leased of pools that need it.
  [[nodiscard]] bool failed() const { return commit_.failed(); }
  [[nodiscard]] std::string why() const { return commit_.why(); }
  [[nodiscard]] uint64_t syncs() const { return commit_.syncs(); }

  // Ends the call with this reply when the ticket is done; with an error when it fails.
  void Hold(rpc::UnaryCall& call, uint64_t ticket, std::string reply);
  void Turn(uint32_t worker);

 private:
  struct Held {
    rpc::UnaryCall* call;
    uint64_t ticket;
    std::string reply;
  };
  struct alignas(base::kCacheLineBytes) Desk {
    std::vector<Held> held;  // by ticket
  };

  std::vector<Desk> desks_;
  store::GroupCommit commit_;
};

}  // namespace objpool::server
