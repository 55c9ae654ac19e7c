// RisingFences: sees to it that each grant of a handle has a higher fence than the one before.
//
// A load returns what it leased at once, so there is no more to check: of two grants of a handle at
// a time, one is refused when it is returned. Of one pool, which is not made anew meanwhile.
#pragma once

#include <cstdint>
#include <vector>

namespace objpool::load {

class RisingFences {
 public:
  // Notes a grant. False where it cannot be.
  [[nodiscard]] bool Note(uint64_t handle, uint64_t fence);

 private:
  static constexpr uint64_t kMaxHandles = uint64_t{1} << 24;
  std::vector<uint64_t> last_;  // by handle; 0: none
};

}  // namespace objpool::load
