#include "server/worker_plan.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/fake_topology.h"

namespace objpool::server {
namespace {

using Cpus = std::vector<std::optional<uint32_t>>;

WorkerPlan Plan(const Topology& machine, std::optional<double> quota, uint32_t wanted) {
  std::string why;
  auto plan = PlanWorkers(machine, quota, wanted, why);
  EXPECT_TRUE(plan.has_value()) << why;
  return plan ? *plan : WorkerPlan{};
}

TEST(WorkerPlan, GivesEveryCpuAWorkerPinnedToIt) {
  const WorkerPlan plan = Plan(testing::FakeMachine(2, 1, 2, 1), std::nullopt, 0);
  EXPECT_EQ(plan.cpus, (Cpus{0, 1, 2, 3}));
  EXPECT_EQ(plan.slots->slots(), 4u);
  EXPECT_EQ(plan.slots->owner(2).node, 1u);
  EXPECT_EQ(plan.unpinned_because, "");
}

TEST(WorkerPlan, KeepsTheNumbersOfACpusetThatDoesNotBeginAtZero) {
  const Topology machine({{.os_index = 7, .node = 1}, {.os_index = 3, .node = 0}}, {});
  EXPECT_EQ(Plan(machine, std::nullopt, 0).cpus, (Cpus{3, 7}));
}

TEST(WorkerPlan, OneCpuIsEnough) {
  const WorkerPlan plan = Plan(testing::FakeMachine(1, 1, 1, 1), std::nullopt, 0);
  EXPECT_EQ(plan.cpus, Cpus{0});
  EXPECT_TRUE(plan.slots->order(0).empty());
}

TEST(WorkerPlan, AQuotaBelowTheCpusMakesFewerWorkersAndPinsNone) {
  const WorkerPlan plan = Plan(testing::FakeMachine(1, 1, 4, 1), 1.5, 0);
  EXPECT_EQ(plan.cpus, (Cpus{std::nullopt, std::nullopt}));
  EXPECT_EQ(plan.unpinned_because, "the CPU quota is 1.50 CPUs");
  EXPECT_EQ(Plan(testing::FakeMachine(1, 1, 4, 1), 0.25, 0).cpus, Cpus{std::nullopt});
}

TEST(WorkerPlan, AQuotaOfAllTheCpusChangesNothing) {
  const WorkerPlan plan = Plan(testing::FakeMachine(1, 1, 2, 1), 2.0, 0);
  EXPECT_EQ(plan.cpus, (Cpus{0, 1}));
  EXPECT_EQ(Plan(testing::FakeMachine(1, 1, 4, 1), 2.0, 2).cpus, (Cpus{0, 1}))
      << "no more workers than the quota: each may use its CPU";
}

TEST(WorkerPlan, AWishIsMetWhateverTheQuota) {
  const WorkerPlan plan = Plan(testing::FakeMachine(1, 1, 4, 1), 1.0, 3);
  EXPECT_EQ(plan.cpus, Cpus(3, std::nullopt));
}

TEST(WorkerPlan, MoreWorkersThanCpusAreRefusedNamingBoth) {
  std::string why;
  EXPECT_FALSE(PlanWorkers(testing::FakeMachine(1, 1, 2, 1), std::nullopt, 3, why));
  EXPECT_EQ(why, "workers: must be at most 2, the CPUs that this process may use, but is 3");
}

}  // namespace
}  // namespace objpool::server
