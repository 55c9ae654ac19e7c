// Goal: a pool's file knows every grant after a kill, and no fence comes again.
// Method: real files. What damage does is in pool_file_damage_test.cc.
#include "server/store/pool_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/lease/lease_pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/temp_folder.h"

namespace objpool::store {
namespace {

using lease::BootMs;
using lease::GrantRef;
using lease::LeasePool;
using lease::LeaseTable;
using lease::Outcome;
using ::testing::HasSubstr;
using testing::ReadAll;
using testing::TempFolder;

// With the records of so many handles a file has 64 KiB and a bit.
constexpr uint32_t kCapacity = 640;
const PoolIdentity kIdentity = {.name = "ids", .capacity = kCapacity, .description = "ids from 0"};

// A pool on a file, as a server has it.
struct Life {
  std::unique_ptr<PoolFile> file;
  LeaseTable::Recovery found;
  std::unique_ptr<LeasePool> pool;
};

Life Begin(const TempFolder& folder, BootMs now = 0) {
  Life life;
  std::string why;
  life.file = PoolFile::Open(folder.path(), kIdentity, LeaseTable::RecordBytes(kCapacity), why);
  EXPECT_NE(life.file, nullptr) << why;
  life.found = LeaseTable::Recover(life.file->records(), kCapacity, now);
  LeasePool::Options options;
  options.pool = {.capacity = kCapacity, .slots = testing::FlatSlots(2)};
  options.secret = life.file->secret();
  options.records = life.file->records();
  options.first_fence = life.file->BeginEpoch(life.found.highest_fence, why);
  life.pool = LeasePool::Create(options, why);
  EXPECT_NE(life.pool, nullptr) << why;
  for (SlotId worker = 0; worker < 2; ++worker) EXPECT_TRUE(life.pool->Attach(worker));
  return life;
}

std::vector<GrantRef> Lease(Life& life, uint32_t count, uint64_t ttl_ms = 10'000, BootMs now = 0) {
  std::vector<GrantRef> refs(count);
  refs.resize(
      life.pool->Lease(1, {.min_count = 1, .ttl_ms = ttl_ms, .holder = "somebody"}, now, refs));
  return refs;
}

lease::Verdict Return(Life& life, const GrantRef& ref, BootMs now = 0) {
  lease::Verdict verdict;
  life.pool->Return(0, std::span(&ref, 1), now, std::span(&verdict, 1));
  return verdict;
}

TEST(PoolFile, GrantsGoOnInTheNextLife) {
  const TempFolder folder;
  Life first = Begin(folder);
  EXPECT_TRUE(first.file->fresh());
  const std::vector<GrantRef> refs = Lease(first, 100);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(Return(first, refs[i]).outcome, Outcome::kOk);
  first = {};  // as a kill leaves it: nothing is written at the end

  Life second = Begin(folder, 1);
  EXPECT_FALSE(second.file->fresh());
  EXPECT_EQ(second.found.leased, 50u);
  EXPECT_EQ(second.found.quarantined, 0u);
  EXPECT_EQ(second.pool->pool().free(), kCapacity - 50);
  EXPECT_EQ(second.pool->Totals().active(), 50u);
  const std::vector<GrantRef> others = Lease(second, kCapacity, 10'000, 1);
  EXPECT_EQ(others.size(), kCapacity - 50) << "what is held is not given again";
  std::set<uint64_t> held;
  for (std::size_t i = 50; i < 100; ++i) held.insert(refs[i].handle);
  for (const GrantRef& ref : others) {
    EXPECT_FALSE(held.contains(ref.handle));
    EXPECT_GT(ref.fence, refs[0].fence);
  }
  const auto view = second.pool->Look(static_cast<Handle>(refs[99].handle), 1);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->holder, "somebody");
  EXPECT_EQ(view->fence, refs[99].fence);
  EXPECT_EQ(Return(second, refs[99], 1).outcome, Outcome::kOk) << "the key is good still";
  EXPECT_EQ(Return(second, refs[99], 1).outcome, Outcome::kAlreadyReturned);
  EXPECT_EQ(Return(second, refs[98], 20'000).outcome, Outcome::kExpired);
}

TEST(PoolFile, ReturnsOfAnEarlierLifeAreStillKnown) {
  const TempFolder folder;
  Life first = Begin(folder);
  const std::vector<GrantRef> refs = Lease(first, 1);
  EXPECT_EQ(Return(first, refs[0]).outcome, Outcome::kOk);
  first = {};
  Life second = Begin(folder);
  EXPECT_EQ(Return(second, refs[0]).outcome, Outcome::kAlreadyReturned);
}

TEST(PoolFile, FencesRiseOverManyLives) {
  const TempFolder folder;
  uint64_t last = 0;
  for (int life = 0; life < 5; ++life) {
    Life now = Begin(folder);
    for (std::size_t i = 0; i < 3; ++i) {
      const std::vector<GrantRef> refs = Lease(now, kCapacity);
      ASSERT_EQ(refs.size(), kCapacity);
      EXPECT_GT(refs[0].fence, last);
      last = refs[0].fence;
      for (const GrantRef& ref : refs) EXPECT_EQ(Return(now, ref).outcome, Outcome::kOk);
    }
  }
}

// What a power cut may leave: the word of a grant is on the disk, and a page beside it is not.
TEST(PoolFile, GrantOfWhichAPageIsLostIsQuarantined) {
  const std::size_t details = RoundUpToPages(std::size_t{kCapacity} * 8);
  const std::size_t names = details + RoundUpToPages(std::size_t{kCapacity} * 16);
  const std::size_t end = LeaseTable::RecordBytes(kCapacity);
  for (const auto& [first, last] : {std::pair(details, names), std::pair(names, end)}) {
    const TempFolder folder;
    Life life = Begin(folder);
    GrantRef ref;
    ASSERT_EQ(life.pool->Lease(0, {.ttl_ms = 10'000, .holder = "aaaaaaaaaaaaaaaa"}, 0, {&ref, 1}),
              1u);
    ASSERT_EQ(ref.fence & UINT32_MAX, 0u) << "the first one of an epoch";
    std::fill(life.file->records() + first, life.file->records() + last, std::byte{0});
    life.pool.reset();
    const auto found = LeaseTable::Recover(life.file->records(), kCapacity, 0);
    EXPECT_EQ(found.leased, 0u);
    EXPECT_EQ(found.quarantined, 1u);
  }
}

// It stays dirty, or resting, and readers find nothing wrong with it any more.
TEST(PoolFile, HandleOfNobodyOfWhichAPageIsLostIsMendedWhereItIs) {
  const std::size_t details = RoundUpToPages(std::size_t{kCapacity} * 8);
  const TempFolder folder;
  Life life = Begin(folder);
  const GrantRef ref = Lease(life, 1).at(0);
  lease::Verdict verdict;
  constexpr lease::Disposition kDirty = lease::Disposition::kDirty;
  life.pool->Return(0, {&ref, 1}, 0, {&verdict, 1}, {&kDirty, 1});
  EXPECT_EQ(verdict.outcome, Outcome::kOk);
  std::byte* const records = life.file->records();
  std::fill_n(records + details, std::size_t{kCapacity} * 16, std::byte{0});
  life.pool.reset();
  const auto inspect = [records] {
    std::vector<LeaseTable::Inspected> seen;
    LeaseTable::Inspect({records, LeaseTable::RecordBytes(kCapacity)}, kCapacity,
                        [&seen](const LeaseTable::Inspected& record) { seen.push_back(record); });
    EXPECT_EQ(seen.size(), 1u);
    EXPECT_TRUE(seen.at(0).word.IsAt(lease::Place::kDirty));
    return seen.at(0).health;
  };
  EXPECT_EQ(inspect(), LeaseTable::Health::kUnfinished);
  EXPECT_EQ(LeaseTable::Recover(records, kCapacity, 0).quarantined, 0u);
  EXPECT_EQ(inspect(), LeaseTable::Health::kSound);
}

TEST(PoolFile, RefusesTheFileOfAnotherPool) {
  const TempFolder folder;
  Begin(folder);
  const std::string before = ReadAll(folder / "ids.pool");
  std::string why;
  PoolIdentity other = kIdentity;
  other.description = "ids from 100";
  EXPECT_EQ(PoolFile::Open(folder.path(), other, LeaseTable::RecordBytes(kCapacity), why), nullptr);
  EXPECT_THAT(why, HasSubstr("was made for 640 handles, ids from 0, but the configuration says "
                             "640 handles, ids from 100; move the file away"));
  other = kIdentity;
  other.capacity = kCapacity + 1;
  EXPECT_EQ(PoolFile::Open(folder.path(), other, LeaseTable::RecordBytes(kCapacity), why), nullptr);
  EXPECT_THAT(why, HasSubstr("640 handles"));
  EXPECT_EQ(ReadAll(folder / "ids.pool"), before) << "it is not changed";
}

TEST(PoolFile, ADiskThatIsFullIsToldAndLeavesNothing) {
  const TempFolder folder;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 10'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string why;
  EXPECT_EQ(PoolFile::Open(folder.path(), kIdentity, LeaseTable::RecordBytes(kCapacity), why),
            nullptr);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)std::signal(SIGXFSZ, handler);
  EXPECT_THAT(why, HasSubstr("ids.pool.new: cannot reserve: File too large"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace objpool::store
