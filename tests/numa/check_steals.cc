// How handles travel between slots: nearest first when stolen, home when they are memory, and never
// into two hands or none.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdio>
#include <memory>
#include <random>
#include <set>

#include "pool/base/check.h"
#include "pool/object_memory.h"
#include "pool/pool.h"
#include "tests/numa/checks.h"

namespace objpool::numa {
namespace {

// Of each slot. More than one steal takes (64), so that a thief comes back for the rest.
constexpr uint32_t kShare = 100;
// Of these, a slot that was not used yet has so many in its magazine, which thieves leave alone
// until all depots are empty.
constexpr uint32_t kInMagazine = kShare / 4;

std::unique_ptr<Pool> MakePool(const Machine& machine, uint32_t capacity, bool return_home) {
  std::string why;
  auto pool =
      Pool::Create({.capacity = capacity, .slots = machine.slots, .return_home = return_home}, why);
  OBJPOOL_CHECK(pool != nullptr, why.c_str());
  machine.AsOwners([&](SlotId slot) { pool->Attach(slot); });
  return pool;
}

std::vector<SlotStats> AllStats(const Pool& pool) {
  std::vector<SlotStats> stats;
  for (SlotId s = 0; s < pool.slots().slots(); ++s) stats.push_back(pool.Stats(s));
  return stats;
}

uint64_t Sum(const SlotStats::ByDistance& counts) {
  uint64_t sum = 0;
  for (const uint64_t count : counts) sum += count;
  return sum;
}

// What one thief did until nothing was left.
struct Spree {
  uint64_t taken = 0;
  // Robbed a depot although a nearer one had handles, or a magazine although a nearer one had, or
  // any depot.
  uint64_t out_of_order = 0;
  std::vector<SlotId> victims;     // in the order of their first robbery
  SlotStats::ByDistance stolen{};  // as the shares of the victims say
};

// Judges one Pop by the statistics before and after it.
void Observe(const Machine& machine, SlotId thief, const std::vector<SlotStats>& before,
             const std::vector<SlotStats>& after, Spree& spree) {
  for (SlotId victim = 0; victim < before.size(); ++victim) {
    const uint64_t robbed = Sum(after[victim].stolen_from) - Sum(before[victim].stolen_from);
    if (victim == thief || robbed == 0) continue;
    const Rank rank = machine.RankOf(thief, victim);
    spree.stolen[static_cast<std::size_t>(rank.distance)] += robbed;
    if (std::ranges::find(spree.victims, victim) == spree.victims.end()) {
      spree.victims.push_back(victim);
    }
    const bool depot = before[victim].occupancy > kInMagazine;
    for (SlotId other = 0; other < before.size(); ++other) {
      if (other == thief || other == victim) continue;
      const bool nearer = machine.RankOf(thief, other) < rank;
      const uint64_t had = std::min(before[other].occupancy, after[other].occupancy);
      const bool had_depot = had > kInMagazine;
      if (depot ? nearer && had_depot : had_depot || (nearer && had > 0)) ++spree.out_of_order;
    }
  }
}

Spree RobAll(const Machine& machine, Pool& pool, SlotId thief) {
  Spree spree;
  std::vector<SlotStats> before = AllStats(pool);
  while (pool.Pop(thief) != kNoHandle) {
    ++spree.taken;
    std::vector<SlotStats> after = AllStats(pool);
    Observe(machine, thief, before, after, spree);
    before = std::move(after);
  }
  return spree;
}

// The map's order, in the terms of the shape.
bool OrderIsRight(const Machine& machine, SlotId thief) {
  std::set<SlotId> seen;
  Rank last{StealDistance::kSameCore, 0};
  for (const StealTarget& target : machine.slots->order(thief)) {
    const Rank rank = machine.RankOf(thief, target.slot);
    if (rank < last || rank.distance != target.distance || target.slot == thief) return false;
    last = rank;
    seen.insert(target.slot);
  }
  return seen.size() == machine.slots->slots() - 1;
}

std::string Describe(const Machine& machine, SlotId thief, const Spree& spree) {
  std::string text = "slot " + std::to_string(thief) + " robs";
  for (const SlotId victim : spree.victims) {
    const Rank rank = machine.RankOf(thief, victim);
    text += " " + std::to_string(victim) + "(" +
            kStealDistanceNames[static_cast<std::size_t>(rank.distance)] + " " +
            std::to_string(rank.node_distance) + ")";
  }
  return text;
}

// Slot 0 takes everything and gives it back where it is: as batches, and one by one.
void TakeAndGiveAll(Pool& pool) {
  std::vector<Handle> all;
  for (Handle h = pool.Pop(0); h != kNoHandle; h = pool.Pop(0)) all.push_back(h);
  const auto half = static_cast<std::ptrdiff_t>(all.size() / 2);
  pool.PushBatch(0, std::span(all.begin(), all.begin() + half));
  for (auto at = all.begin() + half; at != all.end(); ++at) pool.Push(0, *at);
}

// Then each owner looks for its handles, and at the memory behind them.
void ReturnAll(const Machine& machine, bool return_home, Report& report) {
  const uint32_t slots = machine.slots->slots();
  const uint32_t capacity = slots * kShare;
  const uint32_t of_node = machine.shape.cpus_per_node() * kShare;
  const auto pool = MakePool(machine, capacity, return_home);
  std::string why;
  const auto memory = ObjectMemory::Create(
      {.capacity = capacity, .size_bytes = 4096, .shared = true, .slots = machine.slots}, why);
  OBJPOOL_CHECK(memory != nullptr, why.c_str());
  machine.AsOwners([&](SlotId s) { OBJPOOL_CHECK(memory->Attach(s), "memory suffices"); });
  machine.AsOwner(0, [&] { TakeAndGiveAll(*pool); });
  uint32_t astray = 0;
  uint32_t local = 0;
  for (SlotId s = 0; s < slots; ++s) {
    const uint64_t have = pool->Stats(s).occupancy;
    const bool node_of_0 = machine.NodeOf(s) == machine.NodeOf(0);
    const uint32_t elsewhere = return_home && !node_of_0 ? kShare : 0;
    if (have != (s != 0 ? elsewhere : return_home ? of_node : capacity)) ++astray;
    machine.AsOwner(s, [&] {
      for (uint64_t i = 0; i < have; ++i) {
        const void* const object = memory->at(pool->Pop(s));
        if (NodesOf({&object, 1})[0] == static_cast<int>(machine.NodeOf(s))) ++local;
      }
    });
  }
  report.Expect(astray == 0 && local == (return_home ? capacity : of_node),
                std::string(return_home ? "return home" : "stay where pushed") + ": " +
                    std::to_string(astray) + " slots have a wrong number, " +
                    std::to_string(local) + " of " + std::to_string(capacity) +
                    " objects are popped on their node");
}

// Takes and gives as one owner, in ones and in batches, and marks who has what. In each phase one
// owner in turn holds so much that it must rob all others, and its slot has most of it in the end.
class Worker {
 public:
  static constexpr uint32_t kShare = 16;  // of each, in the pool
  static constexpr uint32_t kModest = 8;  // held at most, but for the one that is greedy
  static constexpr uint32_t kPhases = 100;
  static constexpr uint32_t kRounds = 400;  // of all workers, in a phase

  Worker(Pool& pool, SlotId slot, std::atomic<bool>* taken, std::barrier<>& phase_end)
      : pool_(pool), slot_(slot), taken_(taken), phase_end_(phase_end), random_(slot + 1) {}

  void Work() {
    const uint32_t slots = pool_.slots().slots();
    for (uint32_t phase = 0; phase < kPhases; ++phase) {
      const bool greedy = phase % slots == slot_;
      most_held_ = greedy ? pool_.capacity() - kModest * (slots - 1) : kModest;
      for (uint32_t round = 0; round < kRounds / slots; ++round) Turn();
      Give(held_.size());
      phase_end_.arrive_and_wait();
    }
  }
  uint64_t operations = 0, doubles = 0, denied = 0;

 private:
  void Turn() {
    const auto want = random_() % 2 == 0 ? 1 : 1 + static_cast<uint32_t>(random_() % most_held_);
    if (random_() % 2 == 0 && held_.size() + want <= most_held_) {
      Take(want);
    } else {
      Give(std::min<std::size_t>(want, held_.size()));
    }
  }

  void Take(uint32_t want) {
    std::vector<Handle> got(want);
    got.resize(pool_.PopBatch(slot_, got, want));
    if (got.empty()) ++denied;
    operations += got.size();
    for (const Handle handle : got) {
      if (taken_[handle].exchange(true)) ++doubles;
    }
    held_.insert(held_.end(), got.begin(), got.end());
  }

  void Give(std::size_t count) {
    const std::vector<Handle> back(held_.end() - static_cast<std::ptrdiff_t>(count), held_.end());
    held_.resize(held_.size() - count);
    operations += count;
    for (const Handle handle : back) {
      if (!taken_[handle].exchange(false)) ++doubles;
    }
    if (count == 1) {
      pool_.Push(slot_, back[0]);
    } else {
      pool_.PushBatch(slot_, back);
    }
  }

  Pool& pool_;
  const SlotId slot_;
  std::atomic<bool>* const taken_;
  std::barrier<>& phase_end_;
  std::minstd_rand random_;
  uint32_t most_held_ = 0;
  std::vector<Handle> held_;
};

void Stress(const Machine& machine, bool return_home, Report& report) {
  const uint32_t slots = machine.slots->slots();
  // So many that whoever is denied one has been lied to.
  const uint32_t capacity = slots * Worker::kShare;
  const auto pool = MakePool(machine, capacity, return_home);
  const std::unique_ptr<std::atomic<bool>[]> taken(new std::atomic<bool>[capacity]());
  std::barrier phase_end(static_cast<std::ptrdiff_t>(slots));
  std::vector<std::unique_ptr<Worker>> workers;
  for (SlotId s = 0; s < slots; ++s) {
    workers.push_back(std::make_unique<Worker>(*pool, s, taken.get(), phase_end));
  }
  machine.AsOwners([&](SlotId slot) { workers[slot]->Work(); });
  uint64_t operations = 0;
  uint64_t doubles = 0;
  uint64_t denied = 0;
  SlotStats::ByDistance stolen{};
  for (SlotId s = 0; s < slots; ++s) {
    operations += workers[s]->operations;
    doubles += workers[s]->doubles;
    denied += workers[s]->denied;
    const SlotStats stats = pool->Stats(s);
    for (std::size_t d = 0; d < kStealDistances; ++d) stolen[d] += stats.stolen_by[d];
  }
  std::set<Handle> left;
  for (Handle h = pool->Pop(0); h != kNoHandle; h = pool->Pop(0)) left.insert(h);
  std::string text = std::string("stress") + (return_home ? ", return home" : "") + ": " +
                     std::to_string(operations) + " handles taken or given, " +
                     std::to_string(doubles) + " double, " +
                     std::to_string(capacity - left.size()) + " lost, " + std::to_string(denied) +
                     " falsely denied; stolen:";
  for (std::size_t d = 0; d < kStealDistances; ++d) {
    text += std::string(" ") + kStealDistanceNames[d] + " " + std::to_string(stolen[d]);
  }
  report.Expect(doubles == 0 && left.size() == capacity && denied == 0 && Sum(stolen) > 0, text);
}

}  // namespace

void CheckSteals(const Machine& machine, Report& report) {
  const uint32_t slots = machine.slots->slots();
  for (SlotId thief = 0; thief < slots; ++thief) {
    report.Expect(OrderIsRight(machine, thief),
                  "slot " + std::to_string(thief) + " has its victims in the order of distance");
    const auto pool = MakePool(machine, slots * kShare, false);
    Spree spree;
    machine.AsOwner(thief, [&] { spree = RobAll(machine, *pool, thief); });
    const SlotStats stats = pool->Stats(thief);
    report.Expect(spree.out_of_order == 0 && spree.taken == pool->capacity() &&
                      stats.stolen_by == spree.stolen &&
                      Sum(spree.stolen) == uint64_t{slots - 1} * kShare && stats.misses == 1,
                  Describe(machine, thief, spree) + ", " + std::to_string(spree.out_of_order) +
                      " out of order, " + std::to_string(Sum(stats.stolen_by)) + " handles");
  }
}

void CheckReturnHome(const Machine& machine, Report& report) {
  ReturnAll(machine, false, report);
  ReturnAll(machine, true, report);
}

void CheckStress(const Machine& machine, Report& report) {
  Stress(machine, false, report);
  Stress(machine, true, report);
}

}  // namespace objpool::numa
