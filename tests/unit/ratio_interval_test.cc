// Intervals of ratios, of samples that are made up.
#include "client/ctl/ratio_interval.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

namespace objpool::client {
namespace {

// Around a mean, within a tenth of it.
std::vector<double> Around(double mean, std::size_t count, uint64_t seed) {
  std::mt19937_64 numbers(seed);
  std::uniform_real_distribution<double> share(0.9, 1.1);
  std::vector<double> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(mean * share(numbers));
  return values;
}

TEST(RatioInterval, OfEqualValuesIsAPoint) {
  const std::vector<double> a(5, 40);
  const std::vector<double> b(9, 80);
  const RatioInterval interval = RatioOf(a, b);
  EXPECT_EQ(interval.ratio, 2);
  EXPECT_EQ(interval.low, 2);
  EXPECT_EQ(interval.high, 2);
}

TEST(RatioInterval, IsTheSameEachTimeAndHasTheRatioInIt) {
  const std::vector<double> a = Around(100, 30, 1);
  const std::vector<double> b = Around(130, 30, 2);
  const RatioInterval interval = RatioOf(a, b);
  EXPECT_EQ(interval.low, RatioOf(a, b).low);
  EXPECT_LT(interval.low, interval.ratio);
  EXPECT_GT(interval.high, interval.ratio);
  EXPECT_GT(interval.low, 1.2);
  EXPECT_LT(interval.high, 1.4);
}

TEST(RatioInterval, MoreValuesMakeItNarrower) {
  const RatioInterval few = RatioOf(Around(100, 8, 1), Around(100, 8, 2));
  const RatioInterval many = RatioOf(Around(100, 800, 1), Around(100, 800, 2));
  EXPECT_LT(many.high - many.low, (few.high - few.low) / 4);
}

// Of pairs of samples of one kind, about one in a hundred says otherwise.
TEST(RatioInterval, SeldomSeesADifferenceThatIsNotThere) {
  int seen = 0;
  for (uint64_t pair = 0; pair < 100; ++pair) {
    const RatioInterval interval =
        RatioOf(Around(100, 20, 2 * pair), Around(100, 20, (2 * pair) + 1));
    if (interval.low > 1 || interval.high < 1) ++seen;
  }
  EXPECT_LE(seen, 6);
}

}  // namespace
}  // namespace objpool::client
