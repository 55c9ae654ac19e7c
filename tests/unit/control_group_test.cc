// CPU quota and memory limit, read from trees of files like those that a kernel shows.
#include "server/control_group.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace objpool::server {
namespace {

class ControlGroup : public testing::Test {
 protected:
  ControlGroup() { Write("proc/self/cgroup", ""); }
  ~ControlGroup() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, std::string_view text) const {
    const std::filesystem::path full = root_ / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }

  [[nodiscard]] std::optional<double> Quota() const { return CpuQuotaCpus(root_.string()); }

  const std::filesystem::path root_ =
      testing::TempDir() + "objpool_control_group." + std::to_string(getpid());
};

constexpr std::string_view kV2Mount =
    "24 1 0:22 / /proc rw shared:5 - proc proc rw\n"
    "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

constexpr std::string_view kV1Mounts =
    "33 24 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "34 24 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 master:2 - cgroup cgroup "
    "rw,cpu,cpuacct\n";

TEST_F(ControlGroup, NothingMountedIsNoQuota) {
  EXPECT_EQ(Quota(), std::nullopt);
  EXPECT_EQ(CpuQuotaCpus((root_ / "nowhere").string()), std::nullopt);
}

TEST_F(ControlGroup, Version2TakesTheSmallestOnTheWayUp) {
  Write("proc/self/mountinfo", kV2Mount);
  Write("proc/self/cgroup", "0::/a.slice/b.service\n");
  EXPECT_EQ(Quota(), std::nullopt);
  Write("sys/fs/cgroup/a.slice/b.service/cpu.max", "max 100000\n");
  EXPECT_EQ(Quota(), std::nullopt);
  Write("sys/fs/cgroup/a.slice/cpu.max", "250000 100000\n");
  EXPECT_EQ(Quota(), 2.5);
  Write("sys/fs/cgroup/a.slice/b.service/cpu.max", "50000 100000\n");
  EXPECT_EQ(Quota(), 0.5);
  Write("sys/fs/cgroup/cpu.max", "10000 100000\n");
  EXPECT_EQ(Quota(), 0.1);
  Write("sys/fs/cgroup/a.slice/other/cpu.max", "1000 100000\n");
  EXPECT_EQ(Quota(), 0.1);
}

TEST_F(ControlGroup, Version1TakesTheSmallestOnTheWayUp) {
  Write("proc/self/mountinfo", kV1Mounts);
  Write("proc/self/cgroup", "5:cpuset:/c\n4:cpu,cpuacct:/a/b\n0::/\n");
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  Write("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "300000\n");
  Write("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Quota(), 3.0);
  Write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "75000\n");
  Write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(Quota(), 1.5);
}

TEST_F(ControlGroup, OfBothVersionsTheSmallerCounts) {
  Write("proc/self/mountinfo",
        std::string(kV1Mounts) + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n");
  Write("proc/self/cgroup", "4:cpu,cpuacct:/\n0::/x\n");
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  Write("sys/fs/cgroup/unified/x/cpu.max", "400000 100000\n");
  EXPECT_EQ(Quota(), 2.0);
  Write("sys/fs/cgroup/unified/x/cpu.max", "100000 100000\n");
  EXPECT_EQ(Quota(), 1.0);
}

TEST_F(ControlGroup, AContainerSeesItsOwnGroupAtTheMount) {
  Write("proc/self/mountinfo", "50 40 0:30 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  Write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  Write("sys/fs/cgroup/in/cpu.max", "50000 100000\n");
  for (const char* const group : {"0::/docker/ab\n", "0::/\n", "0::/../elsewhere\n"}) {
    Write("proc/self/cgroup", group);
    EXPECT_EQ(Quota(), 1.5) << group;
  }
  Write("proc/self/cgroup", "0::/docker/ab/in\n");
  EXPECT_EQ(Quota(), 0.5);
}

TEST_F(ControlGroup, EscapedMountPointsAndColonsInGroupsAreRead) {
  Write("proc/self/mountinfo", "31 23 0:27 / /cg\\040root\\134x rw - cgroup2 cgroup2 rw\n");
  Write("proc/self/cgroup", "0::/a:b c\n");
  Write("cg root\\x/a:b c/cpu.max", "50000 100000\n");
  EXPECT_EQ(Quota(), 0.5);
}

TEST_F(ControlGroup, MemoryIsWhatIsAvailableOrTheSmallestLimit) {
  EXPECT_EQ(MemoryLimitBytes(root_.string()), std::nullopt);
  Write("proc/meminfo", "MemTotal:       24652052 kB\nMemAvailable:      1000 kB\nX: 1 kB\n");
  EXPECT_EQ(MemoryLimitBytes(root_.string()), 1'024'000u);
  Write("proc/self/mountinfo", kV2Mount);
  Write("proc/self/cgroup", "0::/a\n");
  Write("sys/fs/cgroup/a/memory.max", "max\n");
  EXPECT_EQ(MemoryLimitBytes(root_.string()), 1'024'000u);
  Write("sys/fs/cgroup/a/memory.max", "500000\n");
  EXPECT_EQ(MemoryLimitBytes(root_.string()), 500'000u);
  Write("sys/fs/cgroup/memory.max", "400000\n");
  EXPECT_EQ(MemoryLimitBytes(root_.string()), 400'000u);
  Write("proc/self/mountinfo", "33 24 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  Write("proc/self/cgroup", "5:memory:/c\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("sys/fs/cgroup/memory/c/memory.limit_in_bytes", "300000\n");
  EXPECT_EQ(MemoryLimitBytes(root_.string()), 300'000u);
  Write("proc/meminfo", "MemAvailable: many kB\n");
  Write("proc/self/cgroup", "");
  EXPECT_EQ(MemoryLimitBytes(root_.string()), std::nullopt);
}

TEST_F(ControlGroup, BrokenFilesAreNoQuota) {
  Write("proc/self/mountinfo",
        "\n-\n - \n1 2 3 4 5 6 -\n1 - cgroup2 a b\n" + std::string(kV2Mount));
  for (const char* const group : {"", ":", "::", "0:", "0::", "0::/", "x\n0::/\n"}) {
    Write("proc/self/cgroup", group);
    EXPECT_EQ(Quota(), std::nullopt) << group;
  }
  for (const char* const max : {"", "max", " ", "1", "1 ", "1 x", "x 1", "0 1", "-5 1", "1 0",
                                "1 -1", "99999999999999999999 1", "1  1", "1 1 1"}) {
    EXPECT_EQ(ParseCpuMax(max), std::nullopt) << max;
  }
  EXPECT_EQ(ParseCfsQuota("-1\n", "100000\n"), std::nullopt);
  EXPECT_EQ(ParseCfsQuota("50000\n", "100000\n"), 0.5);
}

TEST(CpuQuotaOfThisMachine, IsPositiveIfAny) {
  const std::optional<double> quota = CpuQuotaCpus();
  EXPECT_TRUE(!quota || *quota > 0);
}

}  // namespace
}  // namespace objpool::server
