// Goal: everything that is written down is one whole line, nobody waits for the file, and what
// could not be written is counted and told. Method: files, pipes that nobody reads, a full disk.
#include "server/service/audit_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/temp_folder.h"
#include "tests/support/wait_until.h"

namespace objpool::server {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<AuditLog> Open(const std::string& path, uint32_t lanes = 1) {
  std::string why;
  auto log = AuditLog::Open(path, lanes, why);
  EXPECT_NE(log, nullptr) << why;
  return log;
}

std::vector<std::string> LinesOf(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

constexpr AuditEntry kEntry = {.kind = "admin",
                               .identity = "10.0.0.1",
                               .method = "RevokeGrant",
                               .pool = "ports",
                               .handle = 3,
                               .fence = 4,
                               .result = "OK"};

TEST(AuditLog, WritesALineForEach) {
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/audit";
  {
    const auto log = Open(path, 2);
    log->Add(0, kEntry);
    log->Add(1, {.kind = "denied",
                 .identity = "a\"\\\n\xff",
                 .method = "Lease",
                 .result = "PERMISSION_DENIED",
                 .reason = "POLICY_DENIED"});
  }
  const auto lines = LinesOf(path);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].starts_with("{\"time\": \"20"));
  EXPECT_THAT(lines[0], HasSubstr("Z\", \"kind\": \"admin\", \"identity\": \"10.0.0.1\", "
                                  "\"method\": \"RevokeGrant\", \"pool\": \"ports\", "
                                  "\"handle\": 3, \"fence\": 4, \"result\": \"OK\"}"));
  EXPECT_THAT(lines[1], HasSubstr(R"("identity": "a\"\\\u000a\u00ff")"));
  EXPECT_THAT(lines[1], HasSubstr(R"("reason": "POLICY_DENIED"})"));
}

TEST(AuditLog, LongTextsAreCut) {
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/audit";
  Open(path)->Add(0, {.kind = "denied", .pool = std::string(1 << 20, 'x'), .result = "OK"});
  ASSERT_EQ(LinesOf(path).size(), 1u);
  EXPECT_LT(LinesOf(path).front().size(), AuditLog::kMaxTextBytes + 200);
}

TEST(AuditLog, GoesOnInAnotherFileAfterReopen) {
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/audit";
  const auto log = Open(path);
  log->Add(0, kEntry);
  testing::WaitUntil([&] { return log->written() == 1; });
  ASSERT_EQ(std::rename(path.c_str(), (path + ".1").c_str()), 0);
  log->Reopen();
  testing::WaitUntil([&] { return access(path.c_str(), F_OK) == 0; });
  log->Add(0, kEntry);
  testing::WaitUntil([&] { return log->written() == 2; });
  EXPECT_EQ(LinesOf(path + ".1").size(), 1u);
  EXPECT_EQ(LinesOf(path).size(), 1u);
}

TEST(AuditLog, NobodyWaitsForASlowPipeAndWhatIsDroppedIsTold) {
  constexpr uint64_t kMany = 100'000;
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  const auto log = Open(path);
  for (uint64_t i = 0; i < kMany; ++i) log->Add(0, kEntry);
  EXPECT_GT(log->dropped(), 0u);
  const auto news = log->TakeNews();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_THAT(news[0], HasSubstr("records were dropped: " + path + " takes them too slowly"));
  // Whoever reads at last hears of it too.
  std::string text;
  testing::WaitUntil([&] {
    char chunk[4096];
    const ssize_t bytes = read(reader, chunk, sizeof(chunk));
    if (bytes > 0) text.append(chunk, static_cast<std::size_t>(bytes));
    return text.find("\"dropped\", \"count\": ") != std::string::npos &&
           log->written() + log->dropped() == kMany;
  });
  close(reader);
}

TEST(AuditLog, AnEndDoesNotWaitForAPipeThatNobodyReads) {
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  auto log = Open(path);
  for (int i = 0; i < 100'000; ++i) log->Add(0, kEntry);
  log.reset();  // or the test hangs
  close(reader);
}

TEST(AuditLog, AFullDiskIsToldAndCounted) {
  const auto log = Open("/dev/full");
  for (int i = 0; i < 3; ++i) log->Add(0, kEntry);
  testing::WaitUntil([&] { return log->dropped() == 3; });
  EXPECT_EQ(log->written(), 0u);
  EXPECT_THAT(log->TakeNews().front(),
              HasSubstr("3 records were dropped: cannot write /dev/full: No space left"));
  EXPECT_TRUE(log->TakeNews().empty());
}

TEST(AuditLog, WhatCannotBeOpenedSaysWhy) {
  std::string why;
  EXPECT_EQ(AuditLog::Open("/nowhere/audit", 1, why), nullptr);
  EXPECT_EQ(why, "cannot open /nowhere/audit: No such file or directory");
}

}  // namespace
}  // namespace objpool::server
