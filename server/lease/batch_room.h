// BatchRoom: room on the stack for a batch of the largest size, of which only what is used is
// written. (A plain array of what has default values is cleared whole: 24 KB of refs for one.)
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "pool/base/check.h"
#include "server/lease/lease_pool.h"

namespace objpool::lease {

template <typename T>
class BatchRoom {
 public:
  // `count` fresh elements, at most kMaxBatch, instead of those of before.
  [[nodiscard]] std::span<T> First(std::size_t count) {
    OBJPOOL_CHECK(count <= kMaxBatch, "the edge refuses larger batches");
    T* const first = reinterpret_cast<T*>(bytes_.data());
    std::uninitialized_value_construct_n(first, count);
    return {std::launder(first), count};
  }

 private:
  static_assert(std::is_trivially_destructible_v<T>);
  alignas(T) std::array<std::byte, sizeof(T) * kMaxBatch> bytes_;
};

}  // namespace objpool::lease
