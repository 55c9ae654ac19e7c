// ObjectMemory: room for `capacity` objects of one size, each share of them touched first by the
// owner of its slot.
//
// With `shared` the pages of each NUMA node are one memfd, which can be mapped by other processes;
// else they are private. Huge pages are asked for and taken where the system gives them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pool/slot_map.h"

namespace objpool {

class ObjectMemory {
 public:
  struct Options {
    uint32_t capacity = 0;
    std::size_t size_bytes = 0;  // of one object: 1 .. 2^30
    // Objects begin at multiples of this power of two, up to a page. Default: a cache line, so that
    // two holders never write the same one.
    std::size_t alignment = 64;
    bool shared = false;
    std::shared_ptr<const SlotMap> slots;
  };
  static constexpr std::size_t kMaxSizeBytes = std::size_t{1} << 30;

  // Maps the memory without touching it. Null, with `why`, when an option is wrong or the system
  // refuses.
  [[nodiscard]] static std::unique_ptr<ObjectMemory> Create(const Options& options,
                                                            std::string& why);
  ~ObjectMemory();
  ObjectMemory(const ObjectMemory&) = delete;
  ObjectMemory& operator=(const ObjectMemory&) = delete;

  // Touches the slot's share from the calling thread, its pinned owner. False when memory runs out.
  [[nodiscard]] bool Attach(SlotId slot);

  // Where an object is, zeroed at first. Any thread.
  [[nodiscard]] std::byte* at(uint32_t handle) const;
  // The object that begins at an address; any other address is a bug and ends the process.
  [[nodiscard]] uint32_t HandleOf(const std::byte* object) const;
  // Makes zeros of `bytes` bytes of an object from `first_byte` on, which are within it: a large
  // object can be done piece by piece. Nobody else may use these bytes meanwhile.
  void Scrub(uint32_t handle, std::size_t first_byte, std::size_t bytes) const;
  // The NUMA node whose CPU touches it first.
  [[nodiscard]] uint32_t node(uint32_t handle) const;
  [[nodiscard]] std::size_t size_bytes() const { return options_.size_bytes; }
  [[nodiscard]] std::size_t mapped_bytes() const;
  // Where pages really are, asked of the kernel: of each node's memory as many as it was asked
  // about, evenly spread, kMaxPagesAsked at most. `known` is 0 where the kernel does not say (a
  // sandbox).
  struct NodePages {
    uint32_t node = 0;
    uint32_t known = 0;    // pages that are somewhere, i.e. were touched
    uint32_t on_node = 0;  // of these, on the node that they are for
  };
  static constexpr std::size_t kMaxPagesAsked = 1024;
  [[nodiscard]] std::vector<NodePages> LookAtPages() const;
  // "first_touch", or "single_node" where there is no choice.
  [[nodiscard]] const char* placement() const;

 private:
  // The objects of one node: those of its slots' shares, which are neighbours.
  struct Region {
    uint32_t node;
    uint32_t first;  // handle
    uint32_t last;   // handle, not included
    std::byte* base;
    std::size_t bytes;
    std::size_t guard_bytes;  // behind them, never touched
    int fd;                   // -1 when private
  };

  explicit ObjectMemory(const Options& options);
  [[nodiscard]] bool Map(Region& region, std::string& why) const;
  [[nodiscard]] const Region& RegionOf(uint32_t handle) const;

  Options options_;
  std::size_t stride_;
  std::vector<Region> regions_;  // rising
};

}  // namespace objpool
