// What placement_check is made of: the machine as it should be, the machine as the library sees it,
// and the parts that compare the two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "pool/slot_map.h"
#include "pool/topology.h"

namespace objpool::numa {

// The machine that vm.sh was asked for, with the CPUs numbered as it numbers them: threads of a
// core are neighbours, then cores of a socket, then sockets of a node.
struct Shape {
  uint32_t nodes = 0, sockets = 0, cores = 0, threads = 0;  // the last three of the one before
  std::vector<std::vector<uint32_t>> distances;             // from, to

  // False when the texts are not what vm.sh takes.
  [[nodiscard]] bool Parse(const char* shape, std::string_view distances_text);
  [[nodiscard]] uint32_t cpus_per_node() const { return sockets * cores * threads; }
  [[nodiscard]] uint32_t cpus() const { return nodes * cpus_per_node(); }
  [[nodiscard]] uint32_t NodeOf(uint32_t cpu) const { return cpu / cpus_per_node(); }
  [[nodiscard]] StealDistance Between(uint32_t cpu, uint32_t other) const;
};

// Prints a line for each claim, and remembers whether all were true.
class Report {
 public:
  void Expect(bool truth, const std::string& claim);
  [[nodiscard]] uint64_t passed() const { return passed_; }
  [[nodiscard]] uint64_t failed() const { return failed_; }

 private:
  uint64_t passed_ = 0;
  uint64_t failed_ = 0;
};

// How near a victim is: what slots are robbed by, the least first.
struct Rank {
  StealDistance distance;
  uint32_t node_distance;
  bool operator<(const Rank& other) const {
    return std::tie(distance, node_distance) < std::tie(other.distance, other.node_distance);
  }
};

struct Machine {
  Shape shape;
  Topology topology;
  std::shared_ptr<const SlotMap> slots;

  [[nodiscard]] uint32_t NodeOf(SlotId slot) const { return slots->owner(slot).node; }
  // As the shape wants it, not as the map has it.
  [[nodiscard]] Rank RankOf(SlotId thief, SlotId victim) const;
  // Runs body(slot) on a thread that is pinned to the slot's owner: one after the other, or all of
  // them together. The process ends where a thread does not get to where it should be.
  void AsOwner(SlotId slot, const std::function<void()>& body) const;
  void AsOwners(const std::function<void(SlotId)>& body) const;
};

// The node that each page lies on which an address points into, as the kernel tells; negative for
// one that nobody has touched.
[[nodiscard]] std::vector<int> NodesOf(std::span<const void* const> addresses);

// The parts. Each says in the report what it measured.
void CheckTopology(const Machine& machine, Report& report);
void CheckPages(const Machine& machine, Report& report);
void CheckSteals(const Machine& machine, Report& report);
void CheckReturnHome(const Machine& machine, Report& report);
void CheckStress(const Machine& machine, Report& report);

}  // namespace objpool::numa
