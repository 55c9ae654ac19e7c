#include "client/ctl/ratio_interval.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace objpool::client {
namespace {

constexpr std::size_t kDraws = 10'000;
constexpr std::size_t kTail = kDraws / 200;  // half of 1 % on each side

double Mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double DrawnMean(std::span<const double> values, std::mt19937_64& numbers) {
  double sum = 0;
  // A remainder is even enough for so few values, and the same everywhere.
  for (std::size_t i = 0; i < values.size(); ++i) sum += values[numbers() % values.size()];
  return sum / static_cast<double>(values.size());
}

}  // namespace

RatioInterval RatioOf(std::span<const double> a, std::span<const double> b) {
  std::mt19937_64 numbers(1);
  std::vector<double> ratios;
  ratios.reserve(kDraws);
  for (std::size_t i = 0; i < kDraws; ++i) {
    const double of_a = DrawnMean(a, numbers);
    ratios.push_back(DrawnMean(b, numbers) / of_a);
  }
  std::sort(ratios.begin(), ratios.end());
  return {.ratio = Mean(b) / Mean(a), .low = ratios[kTail], .high = ratios[kDraws - 1 - kTail]};
}

}  // namespace objpool::client
