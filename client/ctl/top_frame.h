// What `top` shows, as lines of text: pure, so that tests need no terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "client/lease_clock.h"
#include "objpool/v1/pool_service.pb.h"

namespace objpool::client {

// One look at a server.
struct TopSample {
  LeaseClock::time_point at{};
  std::vector<v1::Pool> pools;  // as the server lists them
  // Of the pools that are shown, in the same order; of the others there is none.
  std::vector<v1::GetPoolStatsResponse> stats;
  std::size_t chosen = 0;  // of the pools: the one whose slots are shown
};

struct TopLayout {
  std::size_t columns = 80;  // Range: 1 and more.
  std::size_t rows = 24;     // Likewise. Lines that have no room are left out, slots first.
  bool color = false;
};

// No more pools are asked for their counters at each look.
inline constexpr std::size_t kMaxTopPools = 16;

// Lines that are no longer than the columns, but for escape codes of colours. Rates are those
// between the two looks; a pool that was not in the earlier one has none.
[[nodiscard]] std::vector<std::string> TopFrame(const TopSample& before, const TopSample& now,
                                                std::string_view server, const TopLayout& layout);

}  // namespace objpool::client
