#include <algorithm>
#include <cstdint>
#include <string>

#include "client/load/open_loop.h"

namespace objpool::load {
namespace {

// How late the load may be itself: so much, or a tenth of what it measures.
constexpr uint64_t kLateNs = 100'000;

}  // namespace

std::string OpenLoopResult::WhyInvalid() const {
  if (dropped != 0) {
    return std::to_string(dropped) + " arrivals were dropped, because too many were under way";
  }
  const uint64_t late = late_ns.Quantile(0.99);
  const uint64_t allowed = std::max(kLateNs, lease_ns.Quantile(0.99) / 10);
  if (late <= allowed) return {};
  return "the load was late by " + std::to_string(late / 1000) + " us at p99, more than " +
         std::to_string(allowed / 1000) + " us: it had too little CPU";
}

}  // namespace objpool::load
