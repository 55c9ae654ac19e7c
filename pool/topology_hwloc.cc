// Topology::Detect: the one place that asks hwloc.
#include <hwloc.h>

#include <memory>
#include <utility>

#include "pool/topology.h"

namespace objpool {
namespace {

struct TopologyDeleter {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};
using HwlocTopology = std::unique_ptr<hwloc_topology, TopologyDeleter>;

struct BitmapDeleter {
  void operator()(hwloc_bitmap_s* bitmap) const { hwloc_bitmap_free(bitmap); }
};
using HwlocBitmap = std::unique_ptr<hwloc_bitmap_s, BitmapDeleter>;

HwlocTopology Load() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return nullptr;
  HwlocTopology topology(raw);
  if (hwloc_topology_load(raw) != 0) return nullptr;
  return topology;
}

Cpu Describe(hwloc_topology_t topology, hwloc_obj_t pu) {
  Cpu cpu{.os_index = pu->os_index, .core = pu->logical_index, .cache = 0, .node = 0};
  if (hwloc_obj* const core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu)) {
    cpu.core = core->logical_index;
  }
  // The outermost cache is the one that says which CPUs pass lines cheaply. Caches of one level are
  // numbered apart, and a machine has the same levels everywhere, or none.
  cpu.cache = cpu.core;
  for (hwloc_obj_t up = pu->parent; up != nullptr; up = up->parent) {
    if (hwloc_obj_type_is_dcache(up->type) != 0) cpu.cache = up->logical_index;
  }
  const int node = pu->nodeset == nullptr ? -1 : hwloc_bitmap_first(pu->nodeset);
  if (node >= 0) cpu.node = static_cast<uint32_t>(node);
  return cpu;
}

std::vector<Topology::NodeDistance> Distances(hwloc_topology_t topology) {
  std::vector<Topology::NodeDistance> out;
  unsigned count = 1;
  hwloc_distances_s* matrix = nullptr;
  const int rc = hwloc_distances_get_by_type(topology, HWLOC_OBJ_NUMANODE, &count, &matrix,
                                             HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0);
  if (rc != 0 || count == 0) return out;
  for (unsigned i = 0; i < matrix->nbobjs; ++i) {
    for (unsigned j = 0; j < matrix->nbobjs; ++j) {
      out.push_back({matrix->objs[i]->os_index, matrix->objs[j]->os_index,
                     static_cast<uint32_t>(matrix->values[i * matrix->nbobjs + j])});
    }
  }
  hwloc_distances_release(topology, matrix);
  return out;
}

}  // namespace

std::optional<Topology> Topology::Detect(std::string& why) {
  const HwlocTopology topology = Load();
  if (topology == nullptr) {
    why = "hwloc cannot load the topology of this machine";
    return std::nullopt;
  }
  const HwlocBitmap allowed(hwloc_bitmap_alloc());
  if (allowed == nullptr ||
      hwloc_get_cpubind(topology.get(), allowed.get(), HWLOC_CPUBIND_THREAD) != 0) {
    why = "hwloc cannot read the CPU affinity of this thread";
    return std::nullopt;
  }
  std::vector<Cpu> cpus;
  const int count = hwloc_get_nbobjs_by_type(topology.get(), HWLOC_OBJ_PU);
  for (int i = 0; i < count; ++i) {
    hwloc_obj* const pu =
        hwloc_get_obj_by_type(topology.get(), HWLOC_OBJ_PU, static_cast<unsigned>(i));
    if (hwloc_bitmap_isset(allowed.get(), pu->os_index) == 0) continue;
    cpus.push_back(Describe(topology.get(), pu));
  }
  if (cpus.empty()) {
    why = "hwloc finds no CPU that this process may use";
    return std::nullopt;
  }
  return Topology(std::move(cpus), Distances(topology.get()));
}

}  // namespace objpool
