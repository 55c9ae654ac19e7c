// LeaseAsker: who is answered when a Lease that waits has its grants, or will not have them: a
// call, or an operation of a session.
//
// Exactly one of the three answers is given, once, on the worker of the asker, and the asker is
// gone after it.
#pragma once

#include "google/rpc/status.pb.h"
#include "server/lease/wait_queue.h"
#include "server/service/pool_set.h"

namespace objpool::server {

class LeaseAsker {
 public:
  virtual ~LeaseAsker() = default;
  // Nobody wants the answer any more.
  [[nodiscard]] virtual bool cancelled() const = 0;
  // It had been cancelled, and has got nothing.
  virtual void Cancelled() = 0;
  // The waiter has its grants.
  virtual void Served(const NamedPool& pool, const lease::Waiter& waiter) = 0;
  virtual void Refused(const google::rpc::Status& error) = 0;
};

}  // namespace objpool::server
