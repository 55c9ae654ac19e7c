// Arrivals: when a load asks, decided before, so that a server that slows down is asked no less.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>

namespace objpool::load {

class Arrivals {
 public:
  // So many a second on average from `begin_ns` on: at random, each for itself (Poisson), or
  // evenly.
  Arrivals(double per_s, bool random, uint64_t seed, uint64_t begin_ns)
      : interval_ns_(1e9 / per_s), random_(random), numbers_(seed), begin_ns_(begin_ns) {
    Advance();
  }

  // The next one, in nanoseconds of the clock of `begin_ns`.
  [[nodiscard]] uint64_t next_ns() const { return begin_ns_ + static_cast<uint64_t>(offset_ns_); }
  void Advance() {
    // 1 - x, because x may be 0.
    offset_ns_ += random_ ? -std::log(1 - share_(numbers_)) * interval_ns_ : interval_ns_;
  }

 private:
  const double interval_ns_;
  const bool random_;
  std::mt19937_64 numbers_;
  std::uniform_real_distribution<double> share_{0, 1};
  const uint64_t begin_ns_;
  double offset_ns_ = 0;
};

}  // namespace objpool::load
