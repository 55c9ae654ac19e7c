// Twin: one small value in a mapped page, twice, so that the process may be killed in the midst of
// writing it.
//
// Each copy has a sequence number and a checksum. A write goes to the older copy; a read takes the
// newest copy that is sound.
//
// Threads: one writer. Of a page that only this process has.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "server/store/checksum.h"

namespace objpool::store {

template <typename T>
class Twin {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // Bytes that it takes.
  static constexpr std::size_t kBytes = 2048;

  // `page` must outlive it.
  explicit Twin(std::span<std::byte> page) : page_(page) {}

  // Empty when neither copy is sound.
  [[nodiscard]] std::optional<T> Read() const { return ReadFrom(page_); }
  // The same, of a page that another process may be writing to.
  [[nodiscard]] static std::optional<T> ReadFrom(std::span<const std::byte> page) {
    const std::optional<Copy> a = ReadCopy(page, 0);
    const std::optional<Copy> b = ReadCopy(page, 1);
    if (!a && !b) return std::nullopt;
    if (a && b) return a->sequence > b->sequence ? a->value : b->value;
    return a ? a->value : b->value;
  }
  // Copies that are neither sound nor, as a second one may be, never written.
  [[nodiscard]] static int DamagedIn(std::span<const std::byte> page) {
    int damaged = 0;
    for (const int which : {0, 1}) {
      const auto copy = page.subspan(OffsetOf(which), sizeof(Copy));
      const bool blank = std::ranges::all_of(copy, [](std::byte b) { return b == std::byte{0}; });
      if (!blank && !ReadCopy(page, which)) ++damaged;
    }
    return damaged;
  }

  void Write(const T& value) {
    const std::optional<Copy> a = ReadCopy(page_, 0);
    const std::optional<Copy> b = ReadCopy(page_, 1);
    // Over the one that Read would not take.
    const bool second = a && (!b || b->sequence < a->sequence);
    const std::optional<Copy>& newest = second ? a : b;
    Copy copy{};
    copy.sequence = newest ? newest->sequence + 1 : 1;
    copy.value = value;
    copy.checksum = SumOf(copy);
    std::memcpy(page_.data() + OffsetOf(second ? 1 : 0), &copy, sizeof(copy));
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }

 private:
  // Without gaps that nobody wrote: the checksum is of all bytes.
  struct Copy {
    uint64_t checksum;  // of all that follows
    uint64_t sequence;
    T value;
  };
  static_assert(sizeof(Copy) <= kBytes / 2);
  static_assert(sizeof(Copy) == 16 + sizeof(T));

  [[nodiscard]] static std::size_t OffsetOf(int copy) {
    return static_cast<std::size_t>(copy) * (kBytes / 2);
  }
  [[nodiscard]] static std::optional<Copy> ReadCopy(std::span<const std::byte> page, int which) {
    Copy copy;
    std::memcpy(&copy, page.data() + OffsetOf(which), sizeof(copy));
    if (copy.sequence == 0 || copy.checksum != SumOf(copy)) return std::nullopt;
    return copy;
  }
  [[nodiscard]] static uint64_t SumOf(const Copy& copy) {
    return Checksum(std::as_bytes(std::span(&copy, 1)).subspan(sizeof(copy.checksum)));
  }

  std::span<std::byte> page_;
};

}  // namespace objpool::store
