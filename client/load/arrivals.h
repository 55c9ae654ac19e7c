// Arrivals: when a load asks, decided before, so that a server that slows down is asked no less.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>

namespace objpool::load {

class Arrivals {
 public:
  struct Shape {
    double rate = 1000;         // a second, on average
    double first = 0;           // evenly only: so much of the first interval has passed, 0 .. 1
    bool random = true;         // each for itself (Poisson); else evenly
    uint64_t ramp_ns = 0;       // in which the rate rises from nothing, linearly
    uint64_t period_ns = 0;     // bursts: those of so long all come
    double period_share = 0.1;  // in this first part of it
  };

  // From `begin_ns` on.
  Arrivals(const Shape& shape, uint64_t seed, uint64_t begin_ns)
      : shape_(shape), numbers_(seed), begin_ns_(begin_ns), expected_(-shape.first) {
    Advance();
  }

  // The next one, in nanoseconds of the clock of `begin_ns`.
  [[nodiscard]] uint64_t next_ns() const { return begin_ns_ + static_cast<uint64_t>(offset_ns_); }
  void Advance() {
    // 1 - x, because x may be 0.
    expected_ += shape_.random ? -std::log(1 - share_(numbers_)) : 1;
    offset_ns_ = Squeezed(TimeOf(expected_));
  }

 private:
  // When that many are expected to have come: the inverse of the rate's integral.
  [[nodiscard]] double TimeOf(double expected) const {
    const double interval_ns = 1e9 / shape_.rate;
    const auto ramp_ns = static_cast<double>(shape_.ramp_ns);
    const double of_ramp = ramp_ns / interval_ns / 2;
    if (expected < of_ramp) return std::sqrt(2 * ramp_ns * interval_ns * expected);
    return ramp_ns + ((expected - of_ramp) * interval_ns);
  }
  [[nodiscard]] double Squeezed(double offset_ns) const {
    if (shape_.period_ns == 0) return offset_ns;
    const auto period_ns = static_cast<double>(shape_.period_ns);
    const double in_period_ns = std::fmod(offset_ns, period_ns);
    return offset_ns - in_period_ns + (in_period_ns * shape_.period_share);
  }

  const Shape shape_;
  std::mt19937_64 numbers_;
  std::uniform_real_distribution<double> share_{0, 1};
  const uint64_t begin_ns_;
  double expected_;
  double offset_ns_ = 0;
};

}  // namespace objpool::load
