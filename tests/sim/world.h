// World: a machine with a disk, a server on it that is killed, loses its power and starts again,
// and clients without manners. All of it comes out of one seed.
//
// It goes round by round. Each round has numbers of its own, drawn from the seed and its place, so
// that a round may be left out and the others still do what they did, as far as they can: that is
// how a long trace is made short (minimize.h).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/lease/lease_pool.h"
#include "server/lease/request_memory.h"
#include "server/lease/session_table.h"
#include "server/store/pool_file.h"
#include "server/store/state_dir.h"
#include "tests/sim/checker.h"
#include "tests/sim/disk.h"
#include "tests/sim/fibers.h"
#include "tests/sim/operation.h"
#include "tests/sim/random.h"

namespace objpool::sim {

class World {
 public:
  struct Options {
    uint64_t seed = 0;
    uint32_t rounds = 0;
    // What is left out: rounds, and operations of rounds (Piece).
    std::set<uint64_t> skip;
    bool trace = false;
    bool gives_up = false;  // see Disk::Faults
    std::string folder;     // for the lock of the state directory; there is nothing else in it
  };
  // The n-th operation that is drawn in a round, for Options::skip.
  [[nodiscard]] static uint64_t Piece(uint32_t round, uint32_t n) {
    return (uint64_t{round} + 1) << 32 | n;
  }
  static constexpr uint32_t kMostOperations = 16;  // of a round
  explicit World(const Options& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // True when nothing was found.
  [[nodiscard]] bool Run();
  // What was found, in which round; rounds behind the last one are the end of all.
  [[nodiscard]] const std::string& failure() const { return checker_.failure(); }
  [[nodiscard]] uint32_t failed_in() const { return round_; }
  [[nodiscard]] const std::vector<std::string>& trace() const { return trace_; }

  struct Counts {
    uint64_t operations = 0, grants = 0, waits = 0, sessions = 0, kills = 0, power_cuts = 0,
             stops = 0, starts = 0, failed_starts = 0, steps = 0;
    void Add(const Counts& other);
    bool operator==(const Counts&) const = default;
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct PoolRun {
    std::unique_ptr<store::PoolFile> file;  // outlives the leases
    std::unique_ptr<lease::LeasePool> leases;
  };
  struct Server {
    std::unique_ptr<store::StateDir> state;
    std::vector<PoolRun> pools;
    lease::RequestMemory requests;
    std::array<lease::SessionTable, Fibers::kMost> sessions;  // by worker
  };
  // What is known of a request_id.
  struct RequestModel {
    uint64_t content = 0;
    bool pending = true;
    lease::BootMs keep_until = 0;
    std::vector<lease::GrantRef> grants{};
  };
  // What is known of a session.
  struct SessionModel {
    uint32_t worker = 0;
    uint64_t linger_ms = 0;
    bool open = true;
    bool leaving = false;
    TrueUs lost_us = 0;         // when it lost its stream
    lease::BootMs lost_at = 0;  // the same, by the server's clock
    std::vector<Grant> grants{};
  };

  // world.cc: the machine.
  void DrawOptions();
  void Round(Random& random);
  void WorkRound(Random& random);
  void StopRound(Random& random);
  void StartRound(Random& random);
  void Open(std::string& why);
  bool OpenPool(uint32_t index, std::string& why);
  // Whether it ran to its end.
  bool Go(std::span<const std::function<void()>> bodies, Random& random, uint64_t stop_before,
          bool unwind);
  void Die(Random& random, bool may_tear);
  void Tear();
  void CutPower(Random& random);
  void PassTime(Random& random, bool at_work);
  void EndOfAll(Random& random);
  [[nodiscard]] uint64_t boot_ms() const { return (now_us_ - booted_us_) / 1000; }
  [[nodiscard]] lease::BootMs lease_now() const {
    return boot_ms() + server_->state->clock_offset_ms();
  }
  void Trace(const std::string& line);

  // clients.cc: what somebody may want.
  [[nodiscard]] static PoolOptions DrawPool(Random& random, uint64_t number);
  void Plan(Random& random);
  void DrawWeights(Random& random);
  Kind DrawKind(Random& random) const;
  Operation Draw(Random& random);
  void DrawLease(Random& random, Operation& op);
  void DrawRefs(Random& random, Operation& op);
  lease::GrantRef DrawRef(Random& random, uint32_t pool);
  uint64_t DrawTtl(Random& random, uint32_t pool);
  [[nodiscard]] Waiting* DrawWaiting(Random& random, uint32_t pool);

  // serve.cc: how a server does it.
  void Work(uint32_t worker);
  void Do(Operation& op);
  [[nodiscard]] lease::ClassMask Select(const Operation& op) const;
  void Lease(Operation& op);
  [[nodiscard]] bool LeaseAgain(Operation& op);
  void Wait(Operation& op);
  void StopWaiting(Operation& op);
  void Deliver(Operation& op);
  void Resume(Operation& op);
  void AddGrants(uint32_t pool, std::span<const lease::GrantRef> refs);
  // sessions.cc: likewise, those whose clients die.
  void AddToSession(Operation& op);
  void LoseStream(const Operation& op);
  void EndSession(Operation& op);
  void SessionReturned(const Operation& op);
  void CheckEnds(uint32_t worker, const Operation& op);
  void Acknowledge(Operation& op, std::span<const lease::GrantRef> refs);
  void Remember(const Request& request, std::span<const lease::GrantRef> refs,
                lease::BootMs keep_until);
  void Forget(const Request& request);
  [[nodiscard]] std::string Describe(const Operation& op) const;
  [[nodiscard]] std::string Outcome(const Operation& op) const;
  [[nodiscard]] lease::LeasePool& leases(uint32_t pool) { return *server_->pools[pool].leases; }

  const Options options_;
  TrueUs now_us_ = 0;
  TrueUs booted_us_ = 0;
  uint32_t boots_ = 0;
  uint32_t round_ = 0;

  // Drawn once.
  uint32_t workers_ = 1;
  std::vector<PoolOptions> pools_;
  uint32_t switch_one_in_ = 0;
  uint32_t kill_one_in_ = 0;        // rounds of work
  uint32_t power_one_in_ = 0;       // kills
  uint32_t stop_one_in_ = 0;        // rounds
  bool crowded_ = false;            // all workers are busy
  uint32_t write_back_one_in_ = 0;  // sectors, each time that the kernel comes to it
  std::array<uint32_t, kKindNames.size()> weights_{};  // how often each kind of operation is drawn
  Disk::Faults faults_;
  bool acks_are_durable_ = false;
  bool heavy_fences_ = true;

  Fibers fibers_;
  Disk disk_;
  Checker checker_;
  std::shared_ptr<const SlotMap> slots_;
  std::unique_ptr<Server> server_;
  bool stopped_cleanly_ = false;
  bool torn_ = false;        // headers, since a server ran last
  bool lost_power_ = false;  // since a server ran last

  std::array<std::vector<Operation>, Fibers::kMost> plans_;
  std::vector<std::vector<lease::GrantRef>> grants_;  // by pool: what clients have, or had
  std::deque<std::unique_ptr<Waiting>> waitings_;
  std::deque<Waiting*> inbox_;
  std::deque<Operation> requests_made_;
  std::map<uint32_t, RequestModel> requests_;
  std::map<uint64_t, SessionModel> sessions_;  // by serial
  uint64_t next_session_ = 1;
  std::deque<uint64_t> outs_;          // handles that somebody wanted out
  std::deque<lease::BootMs> moments_;  // deadlines and the like, where clocks like to stop
  uint32_t next_waiting_ = 1;
  uint32_t next_request_ = 1;
  Counts counts_;
  std::vector<std::string> trace_;
};

}  // namespace objpool::sim
