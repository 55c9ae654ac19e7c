// IdleCells: a few numbers for each thread, which it puts down and takes up again with one locked
// instruction, and which any other thread may take away.
//
// Internal to CachedPool. Each thread has a place of its own: a stack of kCells cells, 0 is empty.
//
// I1. Only a place's owner makes a cell other than 0, and only one that is 0. So Put is a plain
//     store: nobody else could have filled the cell meanwhile.
// I2. Whoever takes a number exchanges it for 0, so that one taker gets it.
// I3. `top` is the owner's alone; cells at and above it are 0, those below it may be: robbed.
//
// R1 (Put stores with release) pairs with A1 (Take and Rob exchange with acquire): what was written
// before a number was put down is seen by whoever takes it up.
//
// Progress: Put and Take are wait-free, in kCells steps at most. Threads: Put and Take by the owner
// of the place, Rob and Uses by any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "pool/base/cache_line.h"

namespace objpool::client {

// A number for each thread, below kPlaces, which another thread may have after its end; kPlaces for
// those that are too many.
inline constexpr uint32_t kPlaces = 256;

namespace internal {
// That of this thread, and 1; 0: not asked for yet.
inline thread_local constinit uint32_t place_and_one = 0;
// Takes a place for this thread, until it ends.
[[nodiscard]] uint32_t TakePlace();
}  // namespace internal

class IdleCells {
 public:
  static constexpr uint32_t kCells = 8;

  IdleCells() : places_(std::make_unique<std::array<Place, kPlaces>>()) {}

  // The place of this thread.
  [[nodiscard]] static uint32_t OwnPlace() {
    if (internal::place_and_one == 0) [[unlikely]] {
      internal::place_and_one = internal::TakePlace() + 1;
    }
    return internal::place_and_one - 1;
  }

  // False where there is no room.
  [[nodiscard]] bool Put(uint32_t place, uint32_t number) {
    Place& own = (*places_)[place];
    if (own.top == kCells) return false;
    own.cells[own.top++].store(number, std::memory_order_release);  // R1
    return true;
  }

  // The number that was put down last and is there still; 0 where there is none.
  [[nodiscard]] uint32_t Take(uint32_t place) {
    Place& own = (*places_)[place];
    while (own.top != 0) {
      std::atomic<uint32_t>& cell = own.cells[--own.top];
      if (cell.load(std::memory_order_relaxed) == 0) continue;
      const uint32_t number = cell.exchange(0, std::memory_order_acquire);  // A1
      if (number == 0) continue;
      own.uses.store(own.uses.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return number;
    }
    return 0;
  }

  // Some number of any thread's; 0 where there is none.
  [[nodiscard]] uint32_t Rob(uint32_t place) {
    for (std::atomic<uint32_t>& cell : (*places_)[place].cells) {
      if (cell.load(std::memory_order_relaxed) == 0) continue;
      const uint32_t number = cell.exchange(0, std::memory_order_acquire);  // A1
      if (number != 0) return number;
    }
    return 0;
  }

  // How often something was taken here; goes round.
  [[nodiscard]] uint32_t Uses(uint32_t place) const {
    return (*places_)[place].uses.load(std::memory_order_relaxed);
  }

 private:
  struct alignas(base::kCacheLineBytes) Place {
    std::array<std::atomic<uint32_t>, kCells> cells{};
    uint32_t top = 0;
    std::atomic<uint32_t> uses{0};  // one writer
  };
  static_assert(sizeof(Place) == base::kCacheLineBytes);

  std::unique_ptr<std::array<Place, kPlaces>> places_;
};

}  // namespace objpool::client
