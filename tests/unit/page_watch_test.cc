// Whose turn it is to be asked about pages, by a clock that the test sets.
#include "server/page_watch.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/fake_topology.h"

namespace objpool::server {
namespace {

constexpr rpc::BootNs kBegin = PageWatch::kLookEveryNs;

std::unique_ptr<PoolSet> PoolsOf(std::size_t buffers) {
  std::vector<PoolSpec> specs = {{.name = "ids", .kind = IdsSpec{.count = 4}}};
  for (std::size_t i = 0; i < buffers; ++i) {
    specs.push_back({.name = "b" + std::to_string(100 + i),
                     .kind = BuffersSpec{.count = 1, .size_bytes = 4096}});
  }
  PoolSet::Options options;
  options.maker.slots = testing::FlatSlots(1);
  std::string why;
  std::unique_ptr<PoolSet> pools = PoolSet::Create(specs, options, why);
  EXPECT_NE(pools, nullptr) << why;
  EXPECT_TRUE(pools->Attach(0, why)) << why;
  return pools;
}

TEST(PageWatch, PoolsOfBuffersAreLookedAtInTurn) {
  const auto pools = PoolsOf(2 * PageWatch::kPoolsALook + 3);
  PageWatch watch;
  EXPECT_EQ(watch.Look(pools->pools(), kBegin).size(), PageWatch::kPoolsALook);
  // Not again so soon.
  EXPECT_EQ(watch.Look(pools->pools(), kBegin + 1).size(), PageWatch::kPoolsALook);
  EXPECT_EQ(watch.Look(pools->pools(), 2 * kBegin).size(), 2 * PageWatch::kPoolsALook);
  const PageWatch::Found all = watch.Look(pools->pools(), 3 * kBegin);
  EXPECT_EQ(all.size(), 2 * PageWatch::kPoolsALook + 3);
  EXPECT_FALSE(all.contains("ids"));
  EXPECT_TRUE(all.contains("b100"));
}

TEST(PageWatch, AllOfFewPoolsAreLookedAtAgainAndAgain) {
  const auto pools = PoolsOf(2);
  PageWatch watch;
  for (rpc::BootNs turn = 1; turn < 4; ++turn) {
    const PageWatch::Found found = watch.Look(pools->pools(), turn * kBegin);
    EXPECT_EQ(found.size(), 2u);
    if (!KernelTellsPages()) continue;
    EXPECT_EQ(found.at("b100").front().known, 1u);
  }
}

TEST(PageWatch, PoolsThatAreGoneAreForgotten) {
  PageWatch watch;
  EXPECT_EQ(watch.Look(PoolsOf(2)->pools(), kBegin).size(), 2u);
  EXPECT_EQ(watch.Look(PoolsOf(1)->pools(), kBegin + 1).size(), 1u);
  EXPECT_TRUE(watch.Look(PoolsOf(0)->pools(), 2 * kBegin).empty());
}

}  // namespace
}  // namespace objpool::server
