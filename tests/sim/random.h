// Random: the numbers of a simulation. The same on each machine, for the same seed.
#pragma once

#include <cstdint>

namespace objpool::sim {

class Random {
 public:
  // Rows of different `of` have nothing to do with each other.
  explicit Random(uint64_t seed, uint64_t of = 0) : state_(seed * 0x9E3779B97F4A7C15u ^ of << 32) {
    (void)Next();
  }

  uint64_t Next() {  // Steele's splitmix
    uint64_t bits = state_ += 0x9E3779B97F4A7C15u;
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9u;
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EBu;
    return bits ^ bits >> 31;
  }
  // 0 .. end - 1
  uint64_t Below(uint64_t end) { return end == 0 ? 0 : Next() % end; }
  uint64_t Between(uint64_t first, uint64_t last) { return first + Below(last - first + 1); }
  // One time in `times`; never for 0.
  bool OneIn(uint64_t times) { return times != 0 && Below(times) == 0; }

 private:
  uint64_t state_;
};

}  // namespace objpool::sim
