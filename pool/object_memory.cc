#include "pool/object_memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "pool/base/check.h"
#include "pool/mapped_memory.h"
#include "pool/pool.h"

namespace objpool {

std::unique_ptr<ObjectMemory> ObjectMemory::Create(const Options& options, std::string& why) {
  if (options.slots == nullptr || options.capacity < 1 || options.capacity > kMaxCapacity) {
    why = "capacity must be 1 .. " + std::to_string(kMaxCapacity) + ", got " +
          std::to_string(options.capacity);
    return nullptr;
  }
  if (options.size_bytes < 1 || options.size_bytes > kMaxSizeBytes) {
    why = "size_bytes must be 1 .. " + std::to_string(kMaxSizeBytes) + ", got " +
          std::to_string(options.size_bytes);
    return nullptr;
  }
  if (!std::has_single_bit(options.alignment) || options.alignment > PageBytes()) {
    why = "alignment must be a power of two up to " + std::to_string(PageBytes()) + ", got " +
          std::to_string(options.alignment);
    return nullptr;
  }
  std::unique_ptr<ObjectMemory> memory(new ObjectMemory(options));
  for (Region& region : memory->regions_) {
    if (!memory->Map(region, why)) return nullptr;
  }
  return memory;
}

ObjectMemory::ObjectMemory(const Options& options)
    : options_(options),
      stride_((options.size_bytes + options.alignment - 1) / options.alignment *
              options.alignment) {
  const SlotMap& map = *options_.slots;
  for (SlotId s = 0; s < map.slots(); ++s) {
    const auto [first, last] = ShareOf(options_.capacity, map.slots(), s);
    const uint32_t node = map.owner(s).node;
    if (first == last) continue;
    if (regions_.empty() || regions_.back().node != node) {
      regions_.push_back({node, first, last, nullptr, 0, 0, -1});
    }
    regions_.back().last = last;
  }
  for (Region& region : regions_) {
    region.bytes = RoundUpToPages(std::size_t{region.last - region.first} * stride_);
    // Private regions that lie side by side are one mapping to the kernel, and a huge page across
    // the border would take the end of one to the node of the other.
    region.guard_bytes = options_.shared ? 0 : PageBytes();
  }
}

ObjectMemory::~ObjectMemory() {
  for (const Region& region : regions_) {
    if (region.base != nullptr) munmap(region.base, region.bytes + region.guard_bytes);
    if (region.fd >= 0) close(region.fd);
  }
}

bool ObjectMemory::Map(Region& region, std::string& why) const {
  const auto failed = [&](const char* call) {
    why = std::string(call) + " of " + std::to_string(region.bytes) + " bytes for node " +
          std::to_string(region.node) + ": " + std::strerror(errno);
    return false;
  };
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  if (options_.shared) {
    region.fd = memfd_create("objpool", MFD_CLOEXEC);
    if (region.fd < 0) return failed("memfd_create");
    if (ftruncate(region.fd, static_cast<off_t>(region.bytes)) != 0) return failed("ftruncate");
    flags = MAP_SHARED | MAP_NORESERVE;
  }
  void* const base =
      mmap(nullptr, region.bytes + region.guard_bytes, PROT_READ | PROT_WRITE, flags, region.fd, 0);
  if (base == MAP_FAILED) return failed("mmap");
  region.base = static_cast<std::byte*>(base);
  if (region.guard_bytes != 0 &&
      mprotect(region.base + region.bytes, region.guard_bytes, PROT_NONE) != 0) {
    return failed("mprotect");
  }
  // A wish: where transparent huge pages are off, the answer is an error that changes nothing.
  (void)madvise(base, region.bytes, MADV_HUGEPAGE);
  return true;
}

const ObjectMemory::Region& ObjectMemory::RegionOf(uint32_t handle) const {
  OBJPOOL_CHECK(handle < options_.capacity, "a handle is below the capacity");
  return *std::ranges::find_if(regions_, [&](const Region& r) { return handle < r.last; });
}

bool ObjectMemory::Attach(SlotId slot) {
  const auto [first, last] = ShareOf(options_.capacity, options_.slots->slots(), slot);
  return first == last || TouchPages(at(first), (last - first) * stride_);
}

std::byte* ObjectMemory::at(uint32_t handle) const {
  const Region& region = RegionOf(handle);
  return region.base + ((handle - region.first) * stride_);
}

void ObjectMemory::Scrub(uint32_t handle, std::size_t first_byte, std::size_t bytes) const {
  OBJPOOL_CHECK(first_byte <= size_bytes() && bytes <= size_bytes() - first_byte,
                "an object is scrubbed within its size");
  std::memset(at(handle) + first_byte, 0, bytes);
}

uint32_t ObjectMemory::HandleOf(const std::byte* object) const {
  for (const Region& region : regions_) {
    if (object < region.base || object >= region.base + region.bytes) continue;
    const auto offset = static_cast<std::size_t>(object - region.base);
    const auto handle = region.first + static_cast<uint32_t>(offset / stride_);
    OBJPOOL_CHECK(offset % stride_ == 0 && handle < region.last, "an object begins there");
    return handle;
  }
  base::CheckFailed(__FILE__, __LINE__, "HandleOf", "the object belongs to this memory");
}

uint32_t ObjectMemory::node(uint32_t handle) const { return RegionOf(handle).node; }

std::size_t ObjectMemory::mapped_bytes() const {
  std::size_t sum = 0;
  for (const Region& region : regions_) sum += region.bytes;
  return sum;
}

std::vector<ObjectMemory::NodePages> ObjectMemory::LookAtPages() const {
  std::vector<NodePages> all;
  for (const Region& region : regions_) {
    const std::size_t pages = region.bytes / PageBytes();
    const std::size_t asked = std::min(pages, kMaxPagesAsked);
    std::vector<void*> addresses;
    for (std::size_t i = 0; i < asked; ++i) {
      addresses.push_back(region.base + (i * pages / asked * PageBytes()));
    }
    NodePages& found = all.emplace_back(NodePages{.node = region.node});
    std::vector<int> nodes(asked, -1);
    if (syscall(SYS_move_pages, 0, asked, addresses.data(), nullptr, nodes.data(), 0) != 0) {
      continue;
    }
    for (const int node : nodes) {
      if (node < 0) continue;  // an error: not there yet
      ++found.known;
      if (static_cast<uint32_t>(node) == region.node) ++found.on_node;
    }
  }
  return all;
}

const char* ObjectMemory::placement() const {
  return options_.slots->nodes().size() > 1 ? "first_touch" : "single_node";
}

}  // namespace objpool
