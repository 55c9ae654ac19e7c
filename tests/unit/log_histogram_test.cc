#include "pool/base/log_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <vector>

namespace objpool::base {
namespace {

TEST(LogHistogram, IsEmptyAtFirst) {
  const auto histogram = std::make_unique<LogHistogram>();
  EXPECT_EQ(histogram->count(), 0u);
  EXPECT_EQ(histogram->Quantile(0.5), 0u);
  EXPECT_EQ(histogram->mean(), 0);
}

TEST(LogHistogram, SmallValuesAreExact) {
  const auto histogram = std::make_unique<LogHistogram>();
  for (uint64_t value = 0; value < 100; ++value) histogram->Record(value);
  EXPECT_EQ(histogram->Quantile(0), 0u);
  EXPECT_EQ(histogram->Quantile(0.5), 49u);
  EXPECT_EQ(histogram->Quantile(0.99), 98u);
  EXPECT_EQ(histogram->Quantile(1), 99u);
  EXPECT_EQ(histogram->max(), 99u);
  EXPECT_EQ(histogram->mean(), 49.5);
}

TEST(LogHistogram, BucketsMeetWithoutGapOrOverlap) {
  for (std::size_t bucket = 0; bucket + 1 < LogHistogram::kBuckets; ++bucket) {
    const uint64_t highest = LogHistogram::HighestOf(bucket);
    ASSERT_EQ(LogHistogram::BucketOf(highest), bucket);
    ASSERT_EQ(LogHistogram::BucketOf(highest + 1), bucket + 1);
  }
  EXPECT_EQ(LogHistogram::HighestOf(LogHistogram::kBuckets - 1),
            std::numeric_limits<uint64_t>::max());
}

TEST(LogHistogram, NoValueIsFurtherThanOneSixtyFourthFromItsBucketsEnd) {
  for (std::size_t bucket = 1; bucket < LogHistogram::kBuckets; ++bucket) {
    const auto lowest = static_cast<double>(LogHistogram::HighestOf(bucket - 1)) + 1;
    const auto highest = static_cast<double>(LogHistogram::HighestOf(bucket));
    ASSERT_LE((highest - lowest) / lowest, 1.0 / 64) << "bucket " << bucket;
  }
}

TEST(LogHistogram, QuantilesOfRandomValuesAreNearTheTrueOnes) {
  constexpr uint64_t kSeed = 20261124;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  std::lognormal_distribution<double> latency(12, 2);
  const auto histogram = std::make_unique<LogHistogram>();
  std::vector<uint64_t> values;
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(static_cast<uint64_t>(latency(random)));
    histogram->Record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double quantile : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank =
        static_cast<std::size_t>(std::ceil(quantile * static_cast<double>(values.size())));
    const uint64_t truth = values[rank - 1];
    const uint64_t told = histogram->Quantile(quantile);
    EXPECT_GE(told, truth) << quantile;
    EXPECT_LE(static_cast<double>(told - truth), static_cast<double>(truth) / 64) << quantile;
  }
}

TEST(LogHistogram, ExtremesFit) {
  const auto histogram = std::make_unique<LogHistogram>();
  histogram->Record(0);
  histogram->Record(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(histogram->count(), 2u);
  EXPECT_EQ(histogram->Quantile(0.5), 0u);
  EXPECT_EQ(histogram->Quantile(1), std::numeric_limits<uint64_t>::max());
}

TEST(LogHistogram, MergedHistogramsCountAsOne) {
  const auto left = std::make_unique<LogHistogram>();
  const auto right = std::make_unique<LogHistogram>();
  const auto both = std::make_unique<LogHistogram>();
  for (uint64_t value = 1; value < 1'000'000; value += 997) {
    (value % 2 == 0 ? *left : *right).Record(value);
    both->Record(value);
  }
  left->Merge(*right);
  EXPECT_EQ(left->count(), both->count());
  EXPECT_EQ(left->sum(), both->sum());
  EXPECT_EQ(left->max(), both->max());
  for (const double quantile : {0.1, 0.5, 0.99}) {
    EXPECT_EQ(left->Quantile(quantile), both->Quantile(quantile));
  }
}

}  // namespace
}  // namespace objpool::base
