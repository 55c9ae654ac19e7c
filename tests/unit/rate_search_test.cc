// The search of the highest rate, without a load: trials are made up.
#include "client/ctl/rate_search.h"

#include <gtest/gtest.h>

#include <functional>

namespace objpool::client {
namespace {

// Makes all trials; how many.
uint32_t Search(RateSearch& search, const std::function<TrialEnd(double rate)>& trial) {
  uint32_t trials = 0;
  while (const auto rate = search.Next()) {
    search.Tell(trial(*rate));
    ++trials;
  }
  return trials;
}

TEST(RateSearch, FindsALimitFromBelowAndFromAbove) {
  for (const double limit : {3.0, 950.0, 1000.0, 1001.0, 52'345.0, 999'000.0}) {
    RateSearch search(1000, 1e6);
    const uint32_t trials = Search(search, [&](double rate) {
      return rate <= limit ? TrialEnd::kPassed : TrialEnd::kTooSlow;
    });
    ASSERT_TRUE(search.best()) << limit;
    EXPECT_LE(*search.best(), limit);
    EXPECT_GE(*search.best() * RateSearch::kClose, limit);
    EXPECT_GT(*search.worst(), limit);
    EXPECT_EQ(search.why(), TrialEnd::kTooSlow);
    EXPECT_LT(trials, RateSearch::kMostTrials);
  }
}

TEST(RateSearch, NoRateMayPassAndEveryRateMay) {
  RateSearch none(1000, 1e6);
  Search(none, [](double) { return TrialEnd::kTooSlow; });
  EXPECT_FALSE(none.best());
  EXPECT_GE(*none.worst(), RateSearch::kLeast);
  RateSearch all(1000, 1e6);
  Search(all, [](double) { return TrialEnd::kPassed; });
  EXPECT_EQ(all.best(), 1e6);
  EXPECT_FALSE(all.worst());
}

TEST(RateSearch, OneDisturbanceDoesNotCount) {
  RateSearch search(1000, 1e6);
  int trials = 0;
  Search(search, [&](double rate) {
    if (++trials == 2) return TrialEnd::kInvalid;
    return rate <= 9000 ? TrialEnd::kPassed : TrialEnd::kTooSlow;
  });
  EXPECT_GE(*search.best() * RateSearch::kClose, 9000);
}

TEST(RateSearch, ALoadThatWasTheBottleneckIsNotTheServersLimit) {
  RateSearch search(1000, 1e6);
  Search(search, [](double rate) { return rate <= 9000 ? TrialEnd::kPassed : TrialEnd::kInvalid; });
  EXPECT_EQ(search.why(), TrialEnd::kInvalid);
  // Of two trials, that which says more of the server counts.
  RateSearch mixed(1000, 1000);
  mixed.Tell(TrialEnd::kTooSlow);
  mixed.Tell(TrialEnd::kInvalid);
  EXPECT_EQ(mixed.why(), TrialEnd::kTooSlow);
  EXPECT_EQ(*mixed.worst(), 1000);
}

TEST(RateSearch, ItEndsWhateverTheTrialsSay) {
  RateSearch search(1000, 1e6);
  uint32_t turn = 0;
  EXPECT_LE(
      Search(search,
             [&](double) { return ++turn % 3 == 0 ? TrialEnd::kPassed : TrialEnd::kTooSlow; }),
      RateSearch::kMostTrials);
}

}  // namespace
}  // namespace objpool::client
