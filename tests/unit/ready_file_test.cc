// The ready file: whole or not there.
#include "server/ready_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace objpool::server {
namespace {

using testing::HasSubstr;

class ReadyFile : public testing::Test {
 protected:
  ReadyFile() { std::filesystem::create_directories(folder_); }
  ~ReadyFile() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string Content() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] auto Files() const {
    return std::distance(std::filesystem::directory_iterator(folder_), {});
  }

  const std::filesystem::path folder_ =
      testing::TempDir() + "objpool_ready." + std::to_string(getpid());
  const std::string path_ = folder_ / "ready.json";
  std::string why_;
};

TEST_F(ReadyFile, SaysWhoServesWhere) {
  EXPECT_EQ(ReadyFileJson(7, "127.0.0.1:1", "[::1]:2"),
            "{\"pid\": 7, \"listen\": \"127.0.0.1:1\", \"metrics\": \"[::1]:2\"}\n");
  EXPECT_EQ(ReadyFileJson(7, "127.0.0.1:1", ""),
            "{\"pid\": 7, \"listen\": \"127.0.0.1:1\", \"metrics\": \"off\"}\n");
}

TEST_F(ReadyFile, ReplacesWhatWasThereAndLeavesNothingElse) {
  ASSERT_TRUE(WriteReadyFile(path_, "a rather long first\n", why_)) << why_;
  ASSERT_TRUE(WriteReadyFile(path_, "second\n", why_)) << why_;
  EXPECT_EQ(Content(), "second\n");
  EXPECT_EQ(Files(), 1);
}

TEST_F(ReadyFile, ReplacesWhatAKilledProcessLeft) {
  const std::string left = path_ + "." + std::to_string(getpid()) + ".tmp";
  std::ofstream(left) << "torn";
  ASSERT_TRUE(WriteReadyFile(path_, "whole\n", why_)) << why_;
  EXPECT_EQ(Content(), "whole\n");
  EXPECT_EQ(Files(), 1);
}

TEST_F(ReadyFile, DoesNotWriteThroughALink) {
  const std::string target = folder_ / "target";
  std::ofstream(target) << "kept";
  std::filesystem::create_symlink(target, path_ + "." + std::to_string(getpid()) + ".tmp");
  ASSERT_TRUE(WriteReadyFile(path_, "x\n", why_)) << why_;
  std::ifstream file(target);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "kept");
}

TEST_F(ReadyFile, SaysWhyItCannot) {
  EXPECT_FALSE(WriteReadyFile((folder_ / "no" / "where").string(), "x", why_));
  EXPECT_THAT(why_, HasSubstr("No such file or directory"));
  EXPECT_FALSE(WriteReadyFile(folder_.string() + "/", "x", why_));
  std::filesystem::create_directories(path_);
  EXPECT_FALSE(WriteReadyFile(path_, "x", why_));
  EXPECT_THAT(why_, HasSubstr("Is a directory"));
  EXPECT_EQ(Files(), 1);
  EXPECT_FALSE(RemoveReadyFile(path_, why_));
}

TEST_F(ReadyFile, IsRemovedOnceAndNotMissed) {
  ASSERT_TRUE(WriteReadyFile(path_, "x\n", why_)) << why_;
  EXPECT_TRUE(RemoveReadyFile(path_, why_)) << why_;
  EXPECT_EQ(Files(), 0);
  EXPECT_TRUE(RemoveReadyFile(path_, why_)) << why_;
}

TEST_F(ReadyFile, OnlyOnesOwnIsRemoved) {
  std::string why;
  ASSERT_TRUE(WriteReadyFile(path_, "mine\n", why)) << why;
  EXPECT_TRUE(RemoveOwnReadyFile(path_, "mine", why));
  EXPECT_TRUE(RemoveOwnReadyFile(path_, "mine\nand more", why));
  EXPECT_TRUE(RemoveOwnReadyFile(path_, "else\n", why));
  EXPECT_TRUE(std::filesystem::exists(path_));
  EXPECT_TRUE(RemoveOwnReadyFile(path_, "mine\n", why)) << why;
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_TRUE(RemoveOwnReadyFile(path_, "mine\n", why)) << "there is none";
}

}  // namespace
}  // namespace objpool::server
