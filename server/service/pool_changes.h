// PoolChanges: pools that come and go while the server serves.
//
// Making a pool, its file and its memory takes longer than a worker may, so a thread does it, one
// pool at a time; then each worker joins in its next turn, and the worker of the call answers it.
// The same thread ends pools: one that is deleted drains; when its last grant is over and nobody
// waits, it is withdrawn; when all workers have passed since, it is destroyed, once. And it looks
// at pools for those who want to see every handle.
//
// Threads: Create, Delete, Look and Turn by workers; Stop by one thread, before the set goes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "server/config/config.h"
#include "server/service/errors.h"
#include "server/service/pool_set.h"
#include "server/service/typed_handler.h"

namespace objpool::server {

class PoolChanges {
 public:
  // Pools that may wait to be made or looked at.
  static constexpr std::size_t kMaxQueued = 64;

  struct Hooks {
    // Remembers a pool for the next start, one that is new or one that it remembers already, and
    // forgets it. False, with `why`, when it cannot.
    std::function<bool(const PoolSpec& spec, bool is_new, std::string& why)> keep;
    std::function<void(const std::string& name)> forget;
    // Deletes the file of a pool that is gone.
    std::function<void(const std::string& name)> remove_file;
    // False, with `why`, when so much memory is not to be had.
    std::function<bool(uint64_t bytes, std::string& why)> has_room;
    std::function<void(uint32_t worker)> wake;
    std::function<lease::BootMs()> now;
  };
  PoolChanges(PoolSet& pools, Hooks hooks);
  ~PoolChanges();
  PoolChanges(const PoolChanges&) = delete;
  PoolChanges& operator=(const PoolChanges&) = delete;

  // Answers the call now, or, where it returns nothing, later, by `done` on the call's worker.
  using Done = std::function<void(rpc::UnaryCall& call, const google::rpc::Status& error,
                                  const NamedPool* pool)>;
  [[nodiscard]] std::optional<google::rpc::Status> Create(const CallInfo& info,
                                                          const PoolSpec& spec, Done done);
  void Delete(NamedPool& pool);
  // Runs `look` on the thread, where the pool stays meanwhile; then as Create. `done` gets an error
  // where the pool is gone before.
  using LookAt = std::function<void(const NamedPool& pool)>;
  [[nodiscard]] std::optional<google::rpc::Status> Look(const CallInfo& info, const PoolSpec& spec,
                                                        LookAt look, Done done);
  // Remembers how the pool is now, if it is one that Create made.
  [[nodiscard]] bool Keep(const PoolSpec& spec, std::string& why) const {
    return hooks_.keep(spec, false, why);
  }
  // Answers what is done, and, when `shutting_down`, what never will be.
  void Turn(uint32_t worker, bool shutting_down);
  void Stop();

 private:
  struct Order {
    PoolSpec spec;
    rpc::UnaryCall* call = nullptr;
    uint32_t worker = 0;
    LookAt look{};  // none: the pool is to be made
    Done done{};
    google::rpc::Status error{};
  };
  struct Ending {
    NamedPool* pool;
    std::string name;
    uint64_t generation;  // to be passed before the next step
    bool forgotten = false;
    bool withdrawn = false;
  };

  [[nodiscard]] std::optional<google::rpc::Status> Take(const CallInfo& info, Order order);
  void Run();
  void MakeOne(Order& order);
  void LookAtOne(Order& order);
  void EndSome(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool Step(Ending& ending);

  PoolSet& pools_;
  const Hooks hooks_;
  std::mutex lock_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::deque<std::unique_ptr<Order>> orders_;
  std::unordered_set<std::string> making_;  // names of orders
  std::vector<Ending> endings_;
  std::vector<std::vector<std::unique_ptr<Order>>> finished_;  // by worker
  std::atomic<uint32_t> finished_count_{0};
  std::thread thread_;
};

}  // namespace objpool::server
