// Twin: one small value in a mapped page, twice, so that the process may be killed in the midst of
// writing it.
//
// Each copy has a sequence number and a checksum. A write goes to the older copy; a read takes the
// newest copy that is sound.
//
// Threads: one writer. Of a page that only this process has.
#pragma once

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
  [[nodiscard]] std::optional<T> Read() const {
    const std::optional<Copy> a = ReadCopy(0);
    const std::optional<Copy> b = ReadCopy(1);
    if (!a && !b) return std::nullopt;
    if (a && b) return a->sequence > b->sequence ? a->value : b->value;
    return a ? a->value : b->value;
  }

  void Write(const T& value) {
    const std::optional<Copy> a = ReadCopy(0);
    const std::optional<Copy> b = ReadCopy(1);
    // Over the one that Read would not take.
    const bool second = a && (!b || b->sequence < a->sequence);
    const std::optional<Copy>& newest = second ? a : b;
    Copy copy{};
    copy.sequence = newest ? newest->sequence + 1 : 1;
    copy.value = value;
    copy.checksum = SumOf(copy);
    std::memcpy(At(second ? 1 : 0), &copy, sizeof(copy));
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

  [[nodiscard]] std::byte* At(int copy) const {
    return page_.data() + (static_cast<std::size_t>(copy) * (kBytes / 2));
  }
  [[nodiscard]] std::optional<Copy> ReadCopy(int which) const {
    Copy copy;
    std::memcpy(&copy, At(which), sizeof(copy));
    if (copy.sequence == 0 || copy.checksum != SumOf(copy)) return std::nullopt;
    return copy;
  }
  [[nodiscard]] static uint64_t SumOf(const Copy& copy) {
    return Checksum(std::as_bytes(std::span(&copy, 1)).subspan(sizeof(copy.checksum)));
  }

  std::span<std::byte> page_;
};

}  // namespace objpool::store
