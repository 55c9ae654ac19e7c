// MappedMemory: anonymous pages that nobody has touched yet.
//
// The kernel gives a page to the NUMA node of the CPU that touches it first, so what is mapped here
// and first written by a pinned thread is local to that thread, without any NUMA system call. Huge
// pages are declined: whoever touches 1 byte of one would get 2 MiB, and with it what other threads
// are yet to touch.
#pragma once

#include <cstddef>
#include <utility>

namespace objpool {

class MappedMemory {
 public:
  MappedMemory() = default;
  // Maps zeroed, writable memory. empty() afterwards when the system has none left.
  explicit MappedMemory(std::size_t bytes);
  MappedMemory(MappedMemory&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  MappedMemory& operator=(MappedMemory&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedMemory();

  [[nodiscard]] bool empty() const { return base_ == nullptr; }
  [[nodiscard]] std::byte* base() const { return base_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::byte* base_ = nullptr;
  std::size_t bytes_ = 0;
};

// The size of a page, and `bytes` rounded up to whole pages.
[[nodiscard]] std::size_t PageBytes();
[[nodiscard]] std::size_t RoundUpToPages(std::size_t bytes);

// Makes the calling thread touch every page of [base, base + bytes), which keeps what is written
// there. False when memory runs out; the pages up to there stay touched.
[[nodiscard]] bool TouchPages(std::byte* base, std::size_t bytes);

}  // namespace objpool
