// Checker: what is promised (README.md), held against what the lease core does, step by step.
//
// It is told of each change of a record when it happens (Watcher), with the operation that did it,
// and keeps a model: who holds what until when by the true clock, what rests, is dirty or out, who
// waits. A change that nobody had the right to make is a finding. So is an answer that was right at
// no moment between the beginning and the end of its operation, and what is not in order once all
// is at rest.
//
// It is told, and does not read, how records are laid out, but for one thing: words come first.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/lease/lease_pool.h"
#include "tests/sim/fibers.h"
#include "tests/sim/operation.h"
#include "tests/sim/step.h"

namespace objpool::sim {

struct PoolOptions {
  std::string name;
  uint32_t capacity = 0;
  uint64_t ttl_max_ms = 0;
  uint64_t rest_ms = 0;
  bool dirty_unless_returned = false;
  // Its handles are of so many classes, in turn, so many of one and then of the next.
  uint32_t classes = 1;
  uint32_t stripe = 1;
  [[nodiscard]] uint32_t ClassOf(uint64_t handle) const {
    return static_cast<uint32_t>(handle / stripe % classes);
  }
};
inline constexpr uint32_t kMostClasses = 4;

class Checker : public Watcher {
 public:
  // `now_us` is the true clock. Both may change later.
  Checker(Fibers& fibers, const TrueUs& now_us, const bool& acks_are_durable)
      : fibers_(fibers), now_us_(now_us), acks_are_durable_(acks_are_durable) {}
  ~Checker() override = default;

  void AddPool(const PoolOptions& options);
  // A server runs. After a power cut its records may be those of any earlier moment.
  struct Serving {
    const lease::LeasePool* leases;
    const std::byte* records;
  };
  void Started(uint32_t pool, const Serving& serving, bool after_power_cut);
  // It runs no more; `power_cut`: and what was not written is lost.
  void Died(bool power_cut);

  // Around each operation, from its fiber. What it was answered is in it at its end.
  void Begin(Operation& op);
  // Lease has its answer, or will wait for one.
  void Answered(Operation& op);
  void End(Operation& op);
  void Changed(const void* cell) override;

  void BeginWait(Waiting& waiting);
  // The waiter was queued, and perhaps served.
  void EndWait(Waiting& waiting, bool queued);
  void Served(Waiting& waiting);
  void Stopped(Waiting& waiting, bool taken_out);
  void SetDraining(uint32_t pool, bool draining);
  // Clients were told of what they have. With durable answers it is on the device.
  void Told(uint32_t pool, std::span<const lease::GrantRef> refs);

  // Nothing runs. `now` is the lease clock's.
  void AtRest(lease::BootMs now);
  // Everything was returned or has run out, and was swept.
  void AllHome(uint32_t pool);

  [[nodiscard]] bool failed() const { return !failure_.empty(); }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // A finding: ends the run, if there is one.
  void Fail(const std::string& what);

  // When the last running grant runs out, or the last rest began.
  [[nodiscard]] lease::BootMs LastDeadline() const;
  // A state of a handle, for traces.
  [[nodiscard]] std::string Describe(uint32_t pool, Handle handle) const;

 private:
  struct Past {
    uint64_t fence;
    lease::BootMs deadline;
    TrueUs promised_us;
  };
  struct HandleModel {
    lease::HandleView view;
    uint64_t highest_fence = 0;
    uint64_t granted_fence = 0;  // view.fence, but where a grant was begun and not made
    TrueUs promised_us = 0;      // while leased: not to be taken from its holder before
    TrueUs held_until_us = 0;    // what a power cut may have made the server forget,
    uint64_t held_fence = 0;     // and of which fence that was
    bool unsure =
        false;  // whether its last grant was the one of its fence: a power cut came between
    bool condemned = false;  // to be quarantined when its grant ends, perhaps
    bool surely_condemned = false;
    uint64_t reinstated = 0;  // serial of the last beginning or end of it
    uint64_t told_fence = 0;  // a client was told that it has it
    uint64_t told_end = 0;    // of which a client was told that it is over
    // What clients were told of, by fence.
    struct Known {
      uint64_t key;
      std::string holder;
    };
    std::map<uint64_t, Known> known;
    std::vector<Past> past;  // all that it ever was while leased
  };
  struct PoolModel {
    PoolOptions options;
    const lease::LeasePool* leases = nullptr;
    const std::byte* words = nullptr;
    std::vector<HandleModel> handles;
    // Free ones, dirty ones, by class.
    std::array<std::array<uint64_t, kMostClasses>, 2> available{};
    [[nodiscard]] uint64_t Available(bool dirty, uint64_t of) const {
      uint64_t sum = 0;
      for (uint32_t c = 0; c < kMostClasses; ++c) {
        sum += (of >> c & 1) != 0 ? available[dirty ? 1 : 0][c] : 0;
      }
      return sum;
    }
    bool draining = false;
    std::vector<Waiting*> waiting;
    uint64_t granted = 0, recovered = 0, returned = 0, expired = 0, revoked = 0, renewed = 0;
  };

  // checker.cc: changes.
  void Judge(PoolModel& pool, Handle handle, const lease::HandleView& now, Operation& op);
  void Granted(PoolModel& pool, Handle handle, const lease::HandleView& now, Operation& op);
  void Renewed(PoolModel& pool, HandleModel& model, const lease::HandleView& now, Operation& op);
  void Ended(PoolModel& pool, HandleModel& model, Handle handle, const lease::HandleView& now,
             Operation& op);
  void Moved(const PoolModel& pool, HandleModel& model, Handle handle, const lease::HandleView& now,
             const Operation& op);
  [[nodiscard]] bool Undoes(PoolModel& pool, Handle handle, uint64_t fence, Operation& op);
  [[nodiscard]] std::optional<lease::Disposition> ReturnedAs(const HandleModel& model,
                                                             Handle handle, uint64_t fence,
                                                             const Operation& op) const;
  void Expect(bool holds, const PoolModel& pool, Handle handle, const char* what);

  // checker_answers.cc: answers.
  void NoteFences(PoolModel& pool);
  void NoteState(uint32_t pool);
  void NoteOne(Operation& op);
  [[nodiscard]] uint32_t RightNow(const Operation& op, std::size_t item) const;
  void CheckVerdicts(const Operation& op);
  void CheckEmpty(const PoolModel& pool, const Operation& op);
  void CheckListed(const Operation& op);
  void CheckQuarantine(const Operation& op);
  void TakeMade(Operation& op, std::span<const lease::GrantRef> refs, uint64_t ttl_ms,
                const std::string& holder);
  void CheckOrder(const PoolModel& pool, const Waiting& served);
  void CheckClasses(const PoolModel& pool, std::span<const lease::GrantRef> refs, uint64_t wanted);

  // checker_rest.cc: at rest, and over restarts.
  void Compare(PoolModel& pool, Handle handle, const lease::HandleView& found, bool power_cut);
  void CheckHandles(PoolModel& pool);
  void CheckCounts(const PoolModel& pool);
  void CheckWaiting(const PoolModel& pool, lease::BootMs now);
  void SetView(PoolModel& pool, HandleModel& model, const lease::HandleView& now);

  Fibers& fibers_;
  const TrueUs& now_us_;
  const bool& acks_are_durable_;
  std::vector<PoolModel> pools_;
  std::array<Operation*, Fibers::kMost> running_{};
  uint64_t serial_ = 0;
  std::string failure_;
};

[[nodiscard]] std::string Text(const lease::HandleView& view);

}  // namespace objpool::sim
