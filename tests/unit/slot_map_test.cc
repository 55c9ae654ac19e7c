#include "pool/slot_map.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "pool/topology.h"
#include "tests/support/fake_topology.h"

namespace objpool {
namespace {

TEST(Share, CoversEveryHandleOnceAndHomeAgrees) {
  for (const uint32_t capacity : {1u, 2u, 5u, 7u, 64u, 1000u, 1023u}) {
    for (const uint32_t slots : {1u, 2u, 3u, 8u, 96u}) {
      uint32_t next = 0;
      for (SlotId s = 0; s < slots; ++s) {
        const auto [first, last] = ShareOf(capacity, slots, s);
        ASSERT_EQ(first, next);
        for (uint32_t h = first; h < last; ++h) ASSERT_EQ(HomeOf(capacity, slots, h), s);
        next = last;
      }
      ASSERT_EQ(next, capacity);
    }
  }
}

TEST(SlotMap, NumbersSlotsByNodeThenCpu) {
  const Topology machine({{.os_index = 0, .core = 0, .cache = 0, .node = 1},
                          {.os_index = 1, .core = 1, .cache = 1, .node = 0},
                          {.os_index = 2, .core = 2, .cache = 0, .node = 1}},
                         {});
  const SlotMap map(machine, machine.cpus());
  EXPECT_EQ(map.owner(0).os_index, 1u);
  EXPECT_EQ(map.owner(1).os_index, 0u);
  EXPECT_EQ(map.owner(2).os_index, 2u);
  EXPECT_EQ(map.nodes(), (std::vector<uint32_t>{0, 1}));
}

TEST(SlotMap, StealsFromTheNearestFirst) {
  // Four nodes, two caches of two cores of two threads each: 8 CPUs a node.
  const Topology machine = testing::FakeMachine(4, 2, 2);
  const SlotMap map(machine, machine.cpus());
  for (SlotId thief = 0; thief < map.slots(); ++thief) {
    const auto order = map.order(thief);
    ASSERT_EQ(order.size(), map.slots() - 1);
    std::set<SlotId> seen;
    uint32_t last_distance = 0;
    StealDistance last_class = StealDistance::kSameCore;
    for (const StealTarget& target : order) {
      EXPECT_NE(target.slot, thief);
      EXPECT_TRUE(seen.insert(target.slot).second);
      EXPECT_GE(target.distance, last_class);
      const uint32_t distance =
          machine.Distance(map.owner(thief).node, map.owner(target.slot).node);
      EXPECT_GE(distance, last_distance);
      last_distance = distance;
      last_class = target.distance;
    }
    EXPECT_EQ(order[0].distance, StealDistance::kSameCore);
    EXPECT_EQ(order[1].distance, StealDistance::kSameCache);
    EXPECT_EQ(order[3].distance, StealDistance::kSameNode);
    EXPECT_EQ(order[7].distance, StealDistance::kRemoteNode);
  }
}

TEST(SlotMap, NeighboursDoNotRobTheSameVictimFirst) {
  const auto map = testing::FlatSlots(8);
  std::set<SlotId> first_victims;
  for (SlotId thief = 0; thief < 8; ++thief) first_victims.insert(map->order(thief)[0].slot);
  EXPECT_EQ(first_victims.size(), 8u);
}

TEST(SlotMap, OneSlotHasNobodyToRob) { EXPECT_TRUE(testing::FlatSlots(1)->order(0).empty()); }

TEST(Topology, DetectFindsTheCpuThatThisRunsOn) {
  std::string why;
  const auto machine = Topology::Detect(why);
  ASSERT_TRUE(machine.has_value()) << why;
  EXPECT_GE(machine->cpus().size(), 1u);
}

TEST(Topology, UnknownNodesAreTenOrTwentyApart) {
  const Topology machine({{}}, {{0, 1, 32}});
  EXPECT_EQ(machine.Distance(0, 1), 32u);
  EXPECT_EQ(machine.Distance(1, 0), 20u);
  EXPECT_EQ(machine.Distance(5, 5), 10u);
}

}  // namespace
}  // namespace objpool
