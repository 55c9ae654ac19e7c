// Compares what the pool library does on a NUMA machine with what it promises. Runs in the guest of
// vm.sh, whose shape and distances it is told:
//
//   placement_check NODESxSOCKETSxCORESxTHREADS DISTANCES
//
// Exit code 0 when everything is where it should be, 1 when not, 2 when the machine cannot be read.
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "pool/affinity.h"
#include "pool/base/check.h"
#include "tests/numa/checks.h"
#include "tests/support/thread_team.h"

namespace objpool::numa {
namespace {

// "1<separator>2..." into numbers; empty when it is anything else.
std::vector<uint32_t> Numbers(std::string_view text, char separator) {
  std::vector<uint32_t> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    uint32_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) return {};
    out.push_back(number);
    if (next == end) return out;
    if (*next != separator) return {};
    at = next + 1;
  }
}

void BecomeOwner(const Cpu& owner) {
  std::string why;
  OBJPOOL_CHECK(PinThisThread(owner.os_index, why), why.c_str());
  unsigned cpu = 0;
  unsigned node = 0;
  OBJPOOL_CHECK(getcpu(&cpu, &node) == 0, "the kernel tells where a thread is");
  OBJPOOL_CHECK(cpu == owner.os_index && node == owner.node, "an owner runs on its CPU and node");
}

}  // namespace

bool Shape::Parse(const char* shape, std::string_view distances_text) {
  const std::vector<uint32_t> parts = Numbers(shape, 'x');
  if (parts.size() != 4) return false;
  nodes = parts[0], sockets = parts[1], cores = parts[2], threads = parts[3];
  if (cpus() == 0) return false;
  while (!distances_text.empty()) {
    const std::size_t end = std::min(distances_text.find('/'), distances_text.size());
    distances.push_back(Numbers(distances_text.substr(0, end), ','));
    if (distances.back().size() != nodes) return false;
    distances_text.remove_prefix(std::min(end + 1, distances_text.size()));
  }
  return distances.size() == nodes;
}

StealDistance Shape::Between(uint32_t cpu, uint32_t other) const {
  if (NodeOf(cpu) != NodeOf(other)) return StealDistance::kRemoteNode;
  if (cpu / (cores * threads) != other / (cores * threads)) return StealDistance::kSameNode;
  return cpu / threads == other / threads ? StealDistance::kSameCore : StealDistance::kSameCache;
}

void Report::Expect(bool truth, const std::string& claim) {
  std::printf("%s %s\n", truth ? "ok    " : "FAILED", claim.c_str());
  std::fflush(stdout);
  ++(truth ? passed_ : failed_);
}

Rank Machine::RankOf(SlotId thief, SlotId victim) const {
  return {shape.Between(slots->owner(thief).os_index, slots->owner(victim).os_index),
          shape.distances[NodeOf(thief)][NodeOf(victim)]};
}

void Machine::AsOwner(SlotId slot, const std::function<void()>& body) const {
  std::jthread([&] {
    BecomeOwner(slots->owner(slot));
    body();
  }).join();
}

void Machine::AsOwners(const std::function<void(SlotId)>& body) const {
  testing::RunTeam(slots->slots(), [&](SlotId slot) {
    BecomeOwner(slots->owner(slot));
    body(slot);
  });
}

std::vector<int> NodesOf(std::span<const void* const> addresses) {
  std::vector<int> nodes(addresses.size(), -1);
  // Without target nodes it moves nothing and only tells.
  const auto rc =
      syscall(SYS_move_pages, 0, addresses.size(), addresses.data(), nullptr, nodes.data(), 0);
  OBJPOOL_CHECK(rc == 0, "the kernel tells where pages are");
  return nodes;
}

void CheckTopology(const Machine& machine, Report& report) {
  const Shape& shape = machine.shape;
  const std::vector<Cpu>& cpus = machine.topology.cpus();
  uint32_t wrong = 0;
  for (const Cpu& a : cpus) {
    if (a.node != shape.NodeOf(a.os_index)) ++wrong;
    for (const Cpu& b : cpus) {
      const StealDistance want = shape.Between(a.os_index, b.os_index);
      if ((a.core == b.core) != (want == StealDistance::kSameCore)) ++wrong;
      if ((a.cache == b.cache) != (want <= StealDistance::kSameCache)) ++wrong;
    }
  }
  report.Expect(
      cpus.size() == shape.cpus() && wrong == 0,
      std::to_string(cpus.size()) + " CPUs on " + std::to_string(machine.slots->nodes().size()) +
          " nodes, cores and caches as they should be: " + std::to_string(wrong) + " differences");
  std::string matrix;
  bool equal = true;
  for (uint32_t from = 0; from < shape.nodes; ++from) {
    for (uint32_t to = 0; to < shape.nodes; ++to) {
      const uint32_t distance = machine.topology.Distance(from, to);
      matrix += (to == 0 ? from == 0 ? "" : "/" : ",") + std::to_string(distance);
      equal = equal && distance == shape.distances[from][to];
    }
  }
  report.Expect(equal, "distances between nodes are " + matrix);
}

int Run(int argc, char** argv) {
  Shape shape;
  if (argc != 3 || !shape.Parse(argv[1], argv[2])) {
    std::fprintf(stderr, "usage: placement_check NODESxSOCKETSxCORESxTHREADS DISTANCES\n");
    return 2;
  }
  std::string why;
  const std::optional<Topology> topology = Topology::Detect(why);
  if (!topology) {
    std::fprintf(stderr, "placement_check: %s\n", why.c_str());
    return 2;
  }
  const Machine machine{shape, *topology, SlotMap::ForAllCpus(*topology)};
  Report report;
  CheckTopology(machine, report);
  // The parts index by what the topology says.
  if (report.failed() == 0) {
    CheckPages(machine, report);
    CheckSteals(machine, report);
    CheckReturnHome(machine, report);
    CheckStress(machine, report);
  }
  std::printf("%lu passed, %lu failed\n", report.passed(), report.failed());
  return report.failed() == 0 ? 0 : 1;
}

}  // namespace objpool::numa

int main(int argc, char** argv) { return objpool::numa::Run(argc, argv); }
