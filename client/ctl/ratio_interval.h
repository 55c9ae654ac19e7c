// How many times as much one sample is than another, and how sure that is.
#pragma once

#include <span>

namespace objpool::client {

struct RatioInterval {
  double ratio = 1;  // of the means
  double low = 1;    // between these it is in 99 of 100 cases
  double high = 1;
};

// Of `b` to `a`, none of which is empty, by bootstrap: means of samples that are drawn anew, a
// fixed number of times from a fixed seed. Values are above 0.
[[nodiscard]] RatioInterval RatioOf(std::span<const double> a, std::span<const double> b);

}  // namespace objpool::client
