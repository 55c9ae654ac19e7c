#include "client/ctl/top_frame.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "client/ctl/pool_text.h"
#include "client/ctl/table.h"
#include "client/ref.h"
#include "client/text.h"

namespace objpool::client {
namespace {

constexpr std::size_t kBarCells = 30;

using Stats = v1::GetPoolStatsResponse;
using Steals = std::array<uint64_t, 4>;

Steals StealsOf(const Stats& stats) {
  Steals sum{};
  for (const v1::SlotStats& slot : stats.slots()) {
    const v1::StealsByDistance& by = slot.stolen_by();
    const Steals one = {by.same_core(), by.same_cache(), by.same_node(), by.remote_node()};
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += one[i];
  }
  return sum;
}

// The counters of that pool at the look before; those of now where there are none.
const Stats& Earlier(const TopSample& before, const TopSample& now, std::size_t place) {
  for (std::size_t i = 0; i < before.stats.size(); ++i) {
    if (before.pools[i].name() == now.pools[place].name()) return before.stats[i];
  }
  return now.stats[place];
}

// Per second, of a counter that begins anew when the server does.
std::string Rate(uint64_t before, uint64_t now, double seconds) {
  const auto rise = static_cast<double>(now >= before ? now - before : now);
  return Decimal(seconds > 0 ? rise / seconds : 0.0, 0);
}

std::vector<std::string> Lines(const std::vector<Row>& rows) {
  std::ostringstream table;
  WriteTable(table, rows);
  std::vector<std::string> lines;
  std::istringstream text(table.str());
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::vector<Row> PoolRows(const TopSample& before, const TopSample& now, double seconds) {
  std::vector<Row> rows = {
      {"POOL", "KIND", "CAPACITY", "FREE", "LEASED", "WAITING", "OLDEST", "LEASES/S", "STATE"}};
  for (std::size_t i = 0; i < now.stats.size(); ++i) {
    const v1::Pool& pool = now.pools[i];
    rows.push_back({Printable(BarePool(pool.name())), KindName(pool),
                    std::to_string(pool.capacity()), std::to_string(pool.free()),
                    std::to_string(pool.leased()), std::to_string(pool.waiters()),
                    OldestWaitText(pool),
                    Rate(Earlier(before, now, i).granted(), now.stats[i].granted(), seconds),
                    PoolStateName(pool.state())});
  }
  return rows;
}

std::string Bar(uint64_t part, uint64_t whole) {
  const std::size_t cells = whole == 0 ? 0 : static_cast<std::size_t>(part * kBarCells / whole);
  const std::size_t filled = std::min(part == 0 ? 0 : std::max<std::size_t>(cells, 1), kBarCells);
  return '[' + std::string(filled, '#') + std::string(kBarCells - filled, '.') + ']';
}

// Free handles of each slot, beside those of the fullest one.
std::vector<Row> SlotRows(const Stats& stats) {
  uint64_t most = 0;
  for (const v1::SlotStats& slot : stats.slots()) most = std::max(most, slot.occupancy());
  std::vector<Row> rows = {{"WORKER", "CPU", "NODE", "FREE HANDLES", "FREE", "MISSES"}};
  for (const v1::SlotStats& slot : stats.slots()) {
    rows.push_back({std::to_string(slot.worker()), std::to_string(slot.cpu()),
                    std::to_string(slot.numa_node()), Bar(slot.occupancy(), most),
                    std::to_string(slot.occupancy()), std::to_string(slot.misses())});
  }
  return rows;
}

// Of the pool whose slots are shown.
std::string StealLine(const Stats& before, const Stats& now, double seconds) {
  const Steals from = StealsOf(before);
  const Steals to = StealsOf(now);
  constexpr std::array kNames = {"same core", "same cache", "same node", "other node"};
  std::string line = "Handles stolen a second:";
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    line += (i == 0 ? "  " : ", ") + std::string(kNames[i]) + ' ' + Rate(from[i], to[i], seconds);
  }
  return line;
}

// Fits a line, which begins a table where `heading`, into the columns.
std::string Fit(std::string line, bool heading, const TopLayout& layout) {
  // Names are printable, but may have letters of several bytes; none is cut in two.
  if (line.size() > layout.columns) {
    std::size_t end = layout.columns;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
    line.resize(end);
  }
  return heading && layout.color ? "\x1b[1m" + line + "\x1b[0m" : line;
}

}  // namespace

std::vector<std::string> TopFrame(const TopSample& before, const TopSample& now,
                                  std::string_view server, const TopLayout& layout) {
  const double seconds = std::chrono::duration<double>(now.at - before.at).count();
  std::vector<std::pair<std::string, bool>> lines;
  const auto add = [&lines](std::vector<std::string> table) {
    for (std::size_t i = 0; i < table.size(); ++i) lines.emplace_back(std::move(table[i]), i == 0);
  };
  const std::size_t more = now.pools.size() - now.stats.size();
  lines.emplace_back(Printable(server) + ": " + std::to_string(now.pools.size()) + " pools" +
                         (more == 0 ? "" : ", " + std::to_string(more) + " of them not shown"),
                     false);
  lines.emplace_back("", false);
  add(Lines(PoolRows(before, now, seconds)));
  if (now.chosen < now.stats.size()) {
    const Stats& stats = now.stats[now.chosen];
    lines.emplace_back("", false);
    lines.emplace_back("Pool " + Printable(BarePool(now.pools[now.chosen].name())), false);
    lines.emplace_back(StealLine(Earlier(before, now, now.chosen), stats, seconds), false);
    add(Lines(SlotRows(stats)));
  }
  if (lines.size() > layout.rows) lines.resize(layout.rows);
  std::vector<std::string> frame;
  for (auto& [line, heading] : lines) frame.push_back(Fit(std::move(line), heading, layout));
  return frame;
}

}  // namespace objpool::client
