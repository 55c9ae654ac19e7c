#include "client/ctl/rate_search.h"

#include <algorithm>
#include <cmath>

namespace objpool::client {

std::optional<double> RateSearch::Next() const {
  if (done_ || trials_ == kMostTrials) return std::nullopt;
  return rate_;
}

void RateSearch::Tell(TrialEnd end) {
  ++trials_;
  if (end != TrialEnd::kPassed && !first_) {
    first_ = end;
    return;
  }
  if (end == TrialEnd::kPassed) {
    best_ = rate_;
  } else {
    // While none passes, lower ones do not hide what a higher one said of the server.
    const TrialEnd why = std::max(end, *first_);
    why_ = worst_ && !best_ ? std::max(why_, why) : why;
    worst_ = rate_;
  }
  first_.reset();
  if (!worst_) {
    done_ = rate_ >= most_;
    rate_ = std::min(rate_ * 2, most_);
  } else if (!best_) {
    rate_ = *worst_ / 2;
    done_ = rate_ < kLeast;
  } else {
    rate_ = std::sqrt(*best_ * *worst_);
    done_ = *worst_ / *best_ <= kClose;
  }
}

}  // namespace objpool::client
