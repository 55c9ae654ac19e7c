// Workers that lose their CPUs, and get them back, by a system that is made up.
#include "server/pin_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace objpool::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr rpc::BootNs kSecond = 1'000'000'000;

struct PinWatchTest : ::testing::Test {
  // Where the thread may run, and whether it may be held to a CPU.
  std::vector<uint32_t> allowed{3};
  bool may_pin = true;
  int pins = 0;
  PinWatch watch{{3, std::nullopt},
                 {.pin =
                      [this](uint32_t cpu, std::string& why) {
                        ++pins;
                        if (may_pin) {
                          allowed = {cpu};
                        } else {
                          why = "cannot pin";
                        }
                        return may_pin;
                      },
                  .allowed = [this] { return allowed; }}};
};

TEST_F(PinWatchTest, OneThatStaysIsLeftAlone) {
  for (rpc::BootNs now = 1; now < 10 * kSecond; now += kSecond / 50) watch.Look(0, now);
  EXPECT_TRUE(watch.pinned(0));
  EXPECT_EQ(pins, 0);
  EXPECT_EQ(watch.losses(), 0u);
  EXPECT_THAT(watch.TakeNews(), IsEmpty());
}

TEST_F(PinWatchTest, OneThatWasLetOffGoesBackWithinASecond) {
  watch.Look(0, 1);
  allowed = {0, 1, 2, 3};
  watch.Look(0, kSecond / 2);
  EXPECT_EQ(pins, 0);
  watch.Look(0, kSecond + 1);
  EXPECT_TRUE(watch.pinned(0));
  EXPECT_THAT(allowed, ElementsAre(3));
  EXPECT_EQ(watch.losses(), 1u);
  EXPECT_THAT(watch.TakeNews(), ElementsAre("worker 0 was let off CPU 3, and is back on it"));
  EXPECT_THAT(watch.TakeNews(), IsEmpty());
}

TEST_F(PinWatchTest, ACpuThatIsGoneIsToldOnceAndTriedUntilItIsBack) {
  watch.Look(0, 1);
  allowed = {0, 1};
  may_pin = false;
  for (int i = 1; i <= 5; ++i) watch.Look(0, static_cast<rpc::BootNs>(i) * kSecond + 1);
  EXPECT_FALSE(watch.pinned(0));
  EXPECT_EQ(pins, 5);
  EXPECT_EQ(watch.losses(), 1u);
  EXPECT_THAT(watch.TakeNews(), ElementsAre(HasSubstr("runs on any of 2 CPUs")));
  may_pin = true;
  watch.Look(0, 6 * kSecond + 1);
  EXPECT_TRUE(watch.pinned(0));
  EXPECT_THAT(watch.TakeNews(), ElementsAre("worker 0 is back on CPU 3"));
}

TEST_F(PinWatchTest, WhatFailsFromTheStartIsNoNews) {
  allowed = {0, 1};
  may_pin = false;
  watch.Look(0, 1);
  watch.Look(0, kSecond + 1);
  EXPECT_FALSE(watch.pinned(0));
  EXPECT_THAT(watch.TakeNews(), IsEmpty());
}

TEST_F(PinWatchTest, OneThatNeedNotBeHeldIsNot) {
  watch.Look(1, 1);
  EXPECT_FALSE(watch.pinned(1));
  EXPECT_EQ(pins, 0);
}

}  // namespace
}  // namespace objpool::server
