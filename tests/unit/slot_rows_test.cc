// Slots are shown by CPU, and by NUMA node where there are too many.
#include "server/slot_rows.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/support/fake_topology.h"

namespace objpool::server {
namespace {

using testing::FakeMachine;

std::vector<SlotRow> RowsOf(uint32_t nodes, uint32_t cpus_of_node, std::size_t pools, bool by_cpu) {
  const auto map = SlotMap::ForAllCpus(FakeMachine(nodes, 1, cpus_of_node, 1));
  std::vector<SlotRow> rows = SlotRows(*map, pools, by_cpu);
  std::size_t slots = 0;
  for (const SlotRow& row : rows) slots += row.slots.size();
  EXPECT_EQ(slots, map->slots()) << "each slot is in one row";
  return rows;
}

TEST(SlotRows, UpTo64CpusEachIsARow) {
  const std::vector<SlotRow> rows = RowsOf(2, 32, 1, false);
  ASSERT_EQ(rows.size(), 64u);
  EXPECT_EQ(rows[63].cpu, "63");
  EXPECT_EQ(rows[63].node, "1");
}

TEST(SlotRows, AboveThatNodesAreUnlessEachIsAskedFor) {
  const std::vector<SlotRow> rows = RowsOf(2, 33, 1, false);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].cpu, "all");
  EXPECT_EQ(rows[1].node, "1");
  EXPECT_EQ(RowsOf(2, 33, 1, true).size(), 66u);
}

TEST(SlotRows, TooManyPoolsAreByNodeInAnyCase) {
  EXPECT_EQ(RowsOf(2, 33, 62, true).size(), 66u);
  EXPECT_EQ(RowsOf(2, 33, 63, true).size(), 2u);
  EXPECT_EQ(RowsOf(1, 4, 1024, false).size(), 4u);
  EXPECT_EQ(RowsOf(1, 4, 1025, false).size(), 1u);
}

}  // namespace
}  // namespace objpool::server
