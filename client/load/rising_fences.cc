#include "client/load/rising_fences.h"

#include <bit>
#include <utility>

namespace objpool::load {

bool RisingFences::Note(uint64_t handle, uint64_t fence) {
  if (handle >= kMaxHandles) return false;
  if (handle >= last_.size()) last_.resize(std::bit_ceil(handle + 1));
  return fence > std::exchange(last_[handle], fence);
}

}  // namespace objpool::load
