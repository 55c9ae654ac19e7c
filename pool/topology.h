// Topology: the CPUs that this process may use, what they share, and how far nodes are apart.
//
// A value: it is read once, from hwloc or from a test, and then only passed along. Thread-safe to
// read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace objpool {

// One logical CPU. Two CPUs share a core, a last-level cache or a NUMA node when the number is
// equal.
struct Cpu {
  uint32_t os_index = 0;  // as sched_setaffinity and /proc count
  uint32_t core = 0;
  uint32_t cache = 0;
  uint32_t node = 0;  // as /sys/devices/system/node counts

  bool operator==(const Cpu&) const = default;
};

class Topology {
 public:
  // Relative memory distance in the unit of ACPI's SLIT: 10 is local.
  struct NodeDistance {
    uint32_t from_node;
    uint32_t to_node;
    uint32_t distance;
  };

  // What this process may use now: the CPUs of the machine, less those that the control group or
  // the affinity mask of the calling thread keep away. Empty, with `why`, when hwloc cannot tell.
  // HWLOC_SYNTHETIC and HWLOC_XMLFILE make it see another machine; pinning then fails, and is
  // reported as such.
  [[nodiscard]] static std::optional<Topology> Detect(std::string& why);

  // A topology of the caller's making. Pairs of nodes that are not in `distances` are 10 apart when
  // equal and 20 when not.
  Topology(std::vector<Cpu> cpus, std::vector<NodeDistance> distances);

  [[nodiscard]] const std::vector<Cpu>& cpus() const { return cpus_; }
  [[nodiscard]] uint32_t Distance(uint32_t from_node, uint32_t to_node) const;

 private:
  std::vector<Cpu> cpus_;  // ordered by node, then by os_index
  std::vector<NodeDistance> distances_;
};

}  // namespace objpool
