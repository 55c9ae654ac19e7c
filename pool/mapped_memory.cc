#include "pool/mapped_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace objpool {

MappedMemory::MappedMemory(std::size_t bytes) {
  const std::size_t rounded = RoundUpToPages(bytes);
  void* const base = mmap(nullptr, rounded, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return;
  base_ = static_cast<std::byte*>(base);
  bytes_ = rounded;
}

MappedMemory::~MappedMemory() {
  if (base_ != nullptr) munmap(base_, bytes_);
}

std::size_t PageBytes() {
  static const auto kBytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return kBytes;
}

std::size_t RoundUpToPages(std::size_t bytes) {
  const std::size_t page = PageBytes();
  return (bytes + page - 1) / page * page;
}

bool TouchPages(std::byte* base, std::size_t bytes) {
  if (bytes == 0) return true;
  const std::size_t page = PageBytes();
  const auto address = reinterpret_cast<std::uintptr_t>(base);
  const std::uintptr_t first = address / page * page;
  const std::uintptr_t last = (address + bytes + page - 1) / page * page;
  // Fails cleanly where memory is short, instead of a SIGBUS; kernels before 5.14 lack it.
  if (madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS && errno != EPERM) return false;
  // Adding nothing writes the page without changing it, even when a neighbour on the same page is
  // at work already.
  for (std::uintptr_t at = first; at < last; at += page) {
    std::atomic_ref<uint8_t>(*reinterpret_cast<uint8_t*>(at)).fetch_add(0);
  }
  return true;
}

}  // namespace objpool
