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
  // A kernel without huge pages refuses, and need not be told.
  (void)madvise(base, rounded, MADV_NOHUGEPAGE);
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
  const std::size_t before = reinterpret_cast<std::uintptr_t>(base) % PageBytes();
  std::byte* const first = base - before;
  const std::size_t length = RoundUpToPages(before + bytes);
  // Fails cleanly where memory is short, instead of a SIGBUS; kernels before 5.14 lack it.
  if (madvise(first, length, MADV_POPULATE_WRITE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS && errno != EPERM) return false;
  // Adding nothing writes the page without changing it, even when a neighbour on the same page is
  // at work already.
  for (std::size_t at = 0; at < length; at += PageBytes()) {
    std::atomic_ref<uint8_t>(*reinterpret_cast<uint8_t*>(first + at))
        .fetch_add(0, std::memory_order_relaxed);
  }
  return true;
}

}  // namespace objpool
