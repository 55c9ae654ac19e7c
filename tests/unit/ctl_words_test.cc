// What objpoolctl makes of words, and what `top` makes of counters: no server, no terminal.
#include <gtest/gtest.h>

#include <string>

#include "client/ctl/option_kinds.h"
#include "client/ctl/selector.h"
#include "client/ctl/suggestion.h"
#include "client/ctl/top_frame.h"

namespace objpool::client {
namespace {

std::string Terms(const std::string& text) {
  std::string why;
  const auto terms = ParseSelector(text, why);
  if (!terms) return "wrong: " + why;
  std::string all;
  for (const v1::SelectorTerm& term : *terms) {
    all += (all.empty() ? "" : "; ") + v1::SelectorTerm::Rule_Name(term.rule()).substr(5) + ' ' +
           term.key();
    for (const std::string& value : term.values()) all += ' ' + value;
  }
  return all;
}

TEST(Selector, ReadsWhatKubernetesWrites) {
  EXPECT_EQ(Terms("model=a100,zone!=b,rack,!spot"),
            "IN model a100; NOT_IN zone b; EXISTS rack; NOT_EXISTS spot");
  EXPECT_EQ(Terms(" model in ( a , b ) , zone notin (c),x == y "),
            "IN model a b; NOT_IN zone c; IN x y");
  EXPECT_EQ(Terms("zone="), "IN zone ");
  EXPECT_EQ(Terms("in in (in),notin"), "IN in in; EXISTS notin");
}

TEST(Selector, SaysWhatIsWrongWhere) {
  for (const char* text : {"", ",", "a,", "a b", "a=b c", "a in b", "a in (b", "a in (b))", "!",
                           "!a=b", "a=b;c", "a>1", "=b"}) {
    EXPECT_EQ(Terms(text).substr(0, 20), "wrong: must be like ") << text << ": " << Terms(text);
  }
  EXPECT_NE(Terms("a in b").find("\"(\" should stand before \"b\""), std::string::npos);
  std::string terms = "a";
  for (int i = 0; i < 16; ++i) terms += ",a";
  EXPECT_NE(Terms(terms).find("at most 16 terms"), std::string::npos);
  EXPECT_NE(Terms(std::string(64, 'a')).find("at most 63"), std::string::npos);
  EXPECT_NE(Terms("a in (1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17)").find("at most 16 values"),
            std::string::npos);
}

TEST(Size, HasUnitsOf1024) {
  std::string why;
  EXPECT_EQ(ParseSize("4096", 1 << 20, why), 4096u);
  EXPECT_EQ(ParseSize("64KiB", 1 << 20, why), 65536u);
  EXPECT_EQ(ParseSize("1MiB", 1 << 20, why), 1u << 20);
  for (const char* text :
       {"", "0", "-1", "2MiB", "1GiB", "64KB", "1 KiB", "1.5KiB", "x", "99999999999999999999"}) {
    EXPECT_FALSE(ParseSize(text, 1 << 20, why)) << text;
  }
  EXPECT_NE(why.find("got 99999999999999999999"), std::string::npos) << why;
}

TEST(Suggestion, IsTheNearestNameIfItIsNear) {
  const std::vector<std::string> names = {"lease", "return", "renew", "grant", "grants"};
  EXPECT_EQ(Nearest("leese", names), "lease");
  EXPECT_EQ(Nearest("laese", names), "lease");
  EXPECT_EQ(Nearest("retrun", names), "return");
  EXPECT_EQ(Nearest("grantss", names), "grants");
  EXPECT_EQ(Nearest("bench", names), "");
  EXPECT_EQ(Nearest("", names), "");
  EXPECT_EQ(Nearest(std::string(1 << 20, 'l'), names), "");
}

TopSample Sample(uint64_t granted, uint64_t stolen, int at_ms) {
  TopSample sample{.at = LeaseClock::time_point(Milliseconds(at_ms)), .pools = {}, .stats = {}};
  v1::Pool& pool = sample.pools.emplace_back();
  pool.set_name("pools/ports");
  pool.set_capacity(8);
  pool.set_free(6);
  pool.set_state(v1::POOL_STATE_ACTIVE);
  v1::GetPoolStatsResponse& stats = sample.stats.emplace_back();
  stats.set_granted(granted);
  for (uint32_t worker = 0; worker < 2; ++worker) {
    v1::SlotStats* slot = stats.add_slots();
    slot->set_worker(worker);
    slot->set_occupancy(2 + 2 * worker);
    slot->mutable_stolen_by()->set_same_node(stolen);
  }
  return sample;
}

std::string Text(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}

TEST(TopFrame, ShowsRatesAndBars) {
  const std::string text =
      Text(TopFrame(Sample(100, 10, 1000), Sample(400, 20, 3000), "here:1", TopLayout{}));
  EXPECT_NE(text.find("here:1: 1 pools\n"), std::string::npos) << text;
  EXPECT_NE(
      text.find("ports  unknown         8     6       0        0       -       150  ACTIVE\n"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("same core 0, same cache 0, same node 10, other node 0\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("[###############...............]     2"), std::string::npos) << text;
  EXPECT_NE(text.find("[##############################]     4"), std::string::npos) << text;
}

TEST(TopFrame, ShowsHowLongTheOldestWaits) {
  TopSample sample = Sample(100, 10, 1000);
  sample.pools[0].set_waiters(3);
  *sample.pools[0].mutable_oldest_wait() = ProtoDuration(Milliseconds(12'345));
  const std::string text = Text(TopFrame(sample, sample, "here:1", TopLayout{}));
  EXPECT_NE(text.find("WAITING  OLDEST"), std::string::npos) << text;
  EXPECT_NE(text.find("      3     12s "), std::string::npos) << text;
}

TEST(TopFrame, CountersOfAServerThatWasRestartedBeginAnew) {
  const std::string text =
      Text(TopFrame(Sample(1000, 10, 0), Sample(30, 0, 1000), "here:1", TopLayout{}));
  EXPECT_NE(text.find(" 30  ACTIVE"), std::string::npos) << text;
}

TEST(TopFrame, FitsIntoAnyScreen) {
  const TopSample sample = Sample(1, 1, 0);
  for (std::size_t columns = 1; columns < 90; ++columns) {
    for (std::size_t rows = 1; rows < 12; ++rows) {
      const TopLayout layout{.columns = columns, .rows = rows, .color = false};
      const auto frame = TopFrame(sample, sample, "\xc3\xa4\xc3\xb6:1", layout);
      EXPECT_LE(frame.size(), rows);
      for (const std::string& line : frame) EXPECT_LE(line.size(), columns);
    }
  }
  EXPECT_EQ(TopFrame({}, {}, "here:1", TopLayout{}).front(), "here:1: 0 pools");
}

}  // namespace
}  // namespace objpool::client
