#include "server/lease/request_memory.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace objpool::lease {
namespace {

using Found = RequestMemory::Found;

const Secret kSecret = {1, 2, 3};
const std::vector<GrantRef> kGrants = {{.handle = 7, .fence = 70, .key = 700},
                                       {.handle = 8, .fence = 80, .key = 800}};

RequestHash Request(const std::string& id, const std::string& content = "workers/2") {
  return HashRequest(kSecret, id, content);
}

Found Begin(RequestMemory& memory, const RequestHash& request, BootMs now,
            std::vector<GrantRef>* grants = nullptr) {
  RequestMemory::Answered found;
  const Found result = memory.Begin(request, now, found);
  if (grants != nullptr) *grants = found.grants;
  return result;
}

TEST(RequestMemory, TheSameRequestGetsTheSameAnswerWhileItsGrantsCouldRun) {
  RequestMemory memory;
  EXPECT_EQ(Begin(memory, Request("a"), 10), Found::kNew);
  EXPECT_EQ(Begin(memory, Request("a"), 11), Found::kPending);
  memory.Answer(Request("a"), kGrants, 100);
  std::vector<GrantRef> grants;
  EXPECT_EQ(Begin(memory, Request("a"), 99, &grants), Found::kAnswered);
  ASSERT_EQ(grants.size(), 2u);
  EXPECT_EQ(grants[1].key, 800u);
  EXPECT_EQ(Begin(memory, Request("a"), 100), Found::kNew) << "its time is over";
}

TEST(RequestMemory, AnotherContentIsAnotherRequest) {
  RequestMemory memory;
  EXPECT_EQ(Begin(memory, Request("a"), 10), Found::kNew);
  EXPECT_EQ(Begin(memory, Request("a", "workers/3"), 10), Found::kOther);
  memory.Answer(Request("a"), kGrants, 100);
  EXPECT_EQ(Begin(memory, Request("a", "workers/3"), 10), Found::kOther);
  EXPECT_EQ(Begin(memory, Request("b", "workers/3"), 10), Found::kNew);
}

TEST(RequestMemory, WhatIsForgottenMayBeAskedAgain) {
  RequestMemory memory;
  EXPECT_EQ(Begin(memory, Request("a"), 10), Found::kNew);
  memory.Forget(Request("a"));
  EXPECT_EQ(Begin(memory, Request("a", "workers/3"), 10), Found::kNew);
}

TEST(RequestMemory, IsBoundedAndForgetsWhatIsOver) {
  RequestMemory memory;
  std::size_t full = 0;
  const std::size_t asked = RequestMemory::kMax + (RequestMemory::kMax / 8);
  for (std::size_t i = 0; i < asked; ++i) {
    const RequestHash request = Request(std::to_string(i));
    if (Begin(memory, request, 10) == Found::kFull) {
      ++full;
    } else {
      memory.Answer(request, {}, 100);
    }
  }
  EXPECT_GT(full, 0u);
  EXPECT_LE(memory.size(), RequestMemory::kMax);
  for (std::size_t i = 0; i < asked / 2; ++i) {
    const RequestHash request = Request("later " + std::to_string(i));
    ASSERT_EQ(Begin(memory, request, 200), Found::kNew);
    memory.Forget(request);
  }
  EXPECT_LT(memory.size(), RequestMemory::kMax / 8) << "a few of the old ones go with each call";
}

TEST(RequestMemory, BoundsGrantsToo) {
  RequestMemory memory;
  const std::vector<GrantRef> many(1024);
  std::size_t asked = 0;
  bool full = false;
  for (; !full && asked < 2 * RequestMemory::kMaxGrants / many.size(); ++asked) {
    const RequestHash request = Request(std::to_string(asked));
    full = Begin(memory, request, 10) == Found::kFull;
    if (!full) memory.Answer(request, many, 100);
  }
  EXPECT_TRUE(full);
  EXPECT_GT(asked, RequestMemory::kMaxGrants / many.size() / 2);
  while (Begin(memory, Request(std::to_string(asked)), 200) == Found::kFull) {
  }
}

}  // namespace
}  // namespace objpool::lease
