#include "client/idle_cells.h"

#include <bit>

namespace objpool::client::internal {
namespace {

constexpr uint32_t kBits = 64;

// Which places have a thread. The one thing of a process here: threads are, too.
constinit std::array<std::atomic<uint64_t>, kPlaces / kBits> taken_places{};

// Gives the place back when its thread ends. Whoever takes it then sees all that was done in it.
struct PlaceOfThread {
  uint32_t place = kPlaces;
  ~PlaceOfThread() {
    // What the thread still does while it ends, it does without a place.
    place_and_one = kPlaces + 1;
    if (place == kPlaces) return;
    const uint64_t bit = uint64_t{1} << place % kBits;
    taken_places[place / kBits].fetch_and(~bit, std::memory_order_release);
  }
};

}  // namespace

uint32_t TakePlace() {
  static thread_local PlaceOfThread own;
  for (uint32_t word = 0; word < taken_places.size() && own.place == kPlaces; ++word) {
    uint64_t taken = taken_places[word].load(std::memory_order_relaxed);
    while (taken != UINT64_MAX) {
      const auto free = static_cast<uint32_t>(std::countr_one(taken));
      if (taken_places[word].compare_exchange_weak(taken, taken | uint64_t{1} << free,
                                                   std::memory_order_acquire,
                                                   std::memory_order_relaxed)) {
        own.place = word * kBits + free;
        break;
      }
    }
  }
  return own.place;
}

}  // namespace objpool::client::internal
