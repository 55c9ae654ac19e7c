// World: the services of a server in this process, without an engine, on a clock that stands still.
//
// Its calls are the caller's. It has a worker, and pools of each kind: "ids" (with labels and a
// rest), "labels", "buffers".
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <string_view>

#include "server/rpc/method_table.h"
#include "server/service/buffer_service.h"
#include "server/service/disk_answers.h"
#include "server/service/gate.h"
#include "server/service/health_service.h"
#include "server/service/lease_service.h"
#include "server/service/lease_waiting.h"
#include "server/service/pool_changes.h"
#include "server/service/pool_service.h"
#include "server/service/pool_set.h"
#include "server/service/reflection_service.h"
#include "server/service/session_service.h"

namespace objpool::fuzz {

class World {
 public:
  World();
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // What a worker does at the end of a turn. `leaving`: as the server does when it stops.
  void Turn(bool leaving = false);
  // Waits until somebody else has something for the worker, or for as long as a worker does that
  // has nothing to do: not all that it is to look at is told.
  void AwaitWake() { (void)woken_.try_acquire_for(std::chrono::milliseconds(1)); }
  [[nodiscard]] const rpc::MethodTable& methods() const { return methods_; }
  [[nodiscard]] server::PoolSet& pools() { return *pools_; }
  [[nodiscard]] server::SessionService& sessions() { return *sessions_; }
  [[nodiscard]] server::DiskAnswers& disk() { return *disk_; }
  [[nodiscard]] server::Gate& gate() { return gate_; }
  [[nodiscard]] const SlotMap& slots() const { return *slots_; }

 private:
  void Wake() { woken_.release(); }

  std::counting_semaphore<> woken_{0};
  std::shared_ptr<const SlotMap> slots_;
  lease::RequestMemory requests_;
  server::Gate gate_{1, server::AdminAccess::kAll, nullptr};
  rpc::MethodTable methods_;
  std::unique_ptr<server::LeaseWaiting> waiting_;
  std::unique_ptr<server::PoolSet> pools_;
  std::unique_ptr<server::PoolChanges> changes_;
  std::unique_ptr<server::DiskAnswers> disk_;
  std::unique_ptr<server::LeaseService> leases_;
  std::unique_ptr<server::SessionService> sessions_;
  std::unique_ptr<server::PoolService> pool_service_;
  std::unique_ptr<server::BufferService> buffers_;
  std::unique_ptr<server::HealthService> health_;
  server::ReflectionService reflection_;
};

}  // namespace objpool::fuzz
