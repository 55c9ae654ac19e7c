// When a load asks: rates, ramps and bursts, without a clock.
#include "client/load/arrivals.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace objpool::load {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kBeginNs = 5 * kSecondNs;

// How many come in this time, counted from the beginning.
uint64_t Between(const Arrivals::Shape& shape, uint64_t from_ns, uint64_t to_ns) {
  Arrivals arrivals(shape, 7, kBeginNs);
  uint64_t count = 0;
  for (; arrivals.next_ns() < kBeginNs + to_ns; arrivals.Advance()) {
    if (arrivals.next_ns() >= kBeginNs + from_ns) ++count;
  }
  return count;
}

TEST(Arrivals, EvenlyIsOneEachInterval) {
  Arrivals arrivals({.rate = 1000, .random = false}, 1, kBeginNs);
  EXPECT_EQ(arrivals.next_ns(), kBeginNs + 1'000'000);
  arrivals.Advance();
  EXPECT_EQ(arrivals.next_ns(), kBeginNs + 2'000'000);
}

TEST(Arrivals, SharesOfEvenArrivalsAreEvenTogether) {
  Arrivals whole({.rate = 1000, .random = false}, 1, kBeginNs);
  Arrivals first({.rate = 500, .first = 0.5, .random = false}, 1, kBeginNs);
  Arrivals second({.rate = 500, .first = 0, .random = false}, 1, kBeginNs);
  for (int i = 0; i < 100; ++i) {
    Arrivals& next = i % 2 == 0 ? first : second;
    EXPECT_EQ(next.next_ns(), whole.next_ns());
    next.Advance();
    whole.Advance();
  }
}

TEST(Arrivals, AtRandomTheyKeepTheirRate) {
  const uint64_t count = Between({.rate = 10'000}, 0, 10 * kSecondNs);
  // Five times the deviation of a Poisson process.
  EXPECT_NEAR(static_cast<double>(count), 100'000, 5 * 316);
}

TEST(Arrivals, OfARampAQuarterComesInItsFirstHalf) {
  const Arrivals::Shape shape = {.rate = 1000, .random = false, .ramp_ns = 2 * kSecondNs};
  EXPECT_NEAR(static_cast<double>(Between(shape, 0, kSecondNs)), 250, 1);
  EXPECT_NEAR(static_cast<double>(Between(shape, kSecondNs, 2 * kSecondNs)), 750, 1);
  EXPECT_NEAR(static_cast<double>(Between(shape, 2 * kSecondNs, 3 * kSecondNs)), 1000, 1);
}

TEST(Arrivals, BurstsComeInTheFirstPartOfTheirPeriod) {
  const Arrivals::Shape shape = {
      .rate = 1000, .random = false, .period_ns = kSecondNs, .period_share = 0.1};
  EXPECT_NEAR(static_cast<double>(Between(shape, 0, kSecondNs / 10)), 1000, 1);
  EXPECT_EQ(Between(shape, kSecondNs / 10 + 1, kSecondNs), 0u);
  EXPECT_NEAR(static_cast<double>(Between(shape, kSecondNs, 2 * kSecondNs)), 1000, 1);
}

}  // namespace
}  // namespace objpool::load
