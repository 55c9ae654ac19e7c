#include "client/ref.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "client/duration.h"
#include "client/text.h"

namespace objpool::client {
namespace {

TEST(Ref, IsReadBackAsWritten) {
  const Ref ref{.pool = "seats-2", .handle = kMaxHandle, .fence = UINT64_MAX, .key = 0xab};
  EXPECT_EQ(FormatRef(ref), "seats-2/16777215/18446744073709551615/00000000000000ab");
  EXPECT_EQ(WithoutKey(ref), "seats-2/16777215/18446744073709551615");
  std::string why;
  const auto read = ParseRef(FormatRef(ref), why);
  ASSERT_TRUE(read) << why;
  EXPECT_EQ(*read, ref);
}

TEST(Ref, TakesTheResourceNameToo) {
  std::string why;
  for (const char* text : {"pools/a/1/2/00000000000000ff", "a/1/2/00000000000000FF"}) {
    const auto ref = ParseRef(text, why);
    ASSERT_TRUE(ref) << why;
    EXPECT_EQ(ref->pool, "a");
    EXPECT_EQ(ref->key, 0xffu);
  }
  // A pool may be called so.
  const auto ref = ParseRef("pools/1/2/00000000000000ff", why);
  ASSERT_TRUE(ref) << why;
  EXPECT_EQ(ref->pool, "pools");
}

TEST(Ref, SaysWhichPartIsWrong) {
  struct Case {
    std::string text;
    std::string part;
  };
  const std::vector<Case> cases = {
      {"", "4 parts"},
      {"a/1/2", "4 parts"},
      {"a/1/2/3/4/5", "4 parts"},
      {"/1/2/0123456789abcdef", "pool must be"},
      {"A/1/2/0123456789abcdef", "pool must be"},
      {"a-/1/2/0123456789abcdef", "pool must be"},
      {std::string(64, 'a') + "/1/2/0123456789abcdef", "1 to 63"},
      {"a//2/0123456789abcdef", "handle must be"},
      {"a/-1/2/0123456789abcdef", "handle must be"},
      {"a/16777216/2/0123456789abcdef", "0 to 16777215; got \"16777216\""},
      {"a/1/0/0123456789abcdef", "fence must be"},
      {"a/1/18446744073709551616/0123456789abcdef", "fence must be"},
      {"a/1/2x/0123456789abcdef", "fence must be"},
      {"a/1/2/123456789abcdef", "16 hexadecimal digits; got 15"},
      {"a/1/2/0123456789abcdeg", "16 hexadecimal digits"},
      {"a/1/2/+123456789abcdef", "16 hexadecimal digits"},
  };
  for (const Case& wrong : cases) {
    std::string why;
    EXPECT_FALSE(ParseRef(wrong.text, why)) << wrong.text;
    EXPECT_NE(why.find(wrong.part), std::string::npos) << wrong.text << " gave: " << why;
  }
}

TEST(Ref, WithoutItsKeyNamesTheGrantAllTheSame) {
  std::string why;
  for (const char* text :
       {"a/1/2", "pools/a/1/2", "a/1/2/00000000000000ff", "pools/a/1/2/00000000000000ff"}) {
    const auto ref = ParseRefWithoutKey(text, why);
    ASSERT_TRUE(ref) << text << ": " << why;
    EXPECT_EQ(*ref, (Ref{.pool = "a", .handle = 1, .fence = 2, .key = 0})) << text;
  }
  for (const char* text : {"pools/1/2", "pools/pools/1/2", "pools/1/2/00000000000000ff"}) {
    const auto ref = ParseRefWithoutKey(text, why);
    ASSERT_TRUE(ref) << text << ": " << why;
    EXPECT_EQ(*ref, (Ref{.pool = "pools", .handle = 1, .fence = 2, .key = 0})) << text;
  }
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"", "3 parts"},
           {"a/1", "3 parts"},
           {"pools/a/1", "got 2"},
           {"a/1/2/3/4", "3 parts"},
           {"A/1/2", "pool must be"},
           {"a/16777216/2", "0 to 16777215"},
           {"a/1/0", "fence must be"},
           {"a/1/2/", "16 hexadecimal digits; got 0"},
           {"a/1/2/ff", "16 hexadecimal digits; got 2"}}) {
    EXPECT_FALSE(ParseRefWithoutKey(text, why)) << text;
    EXPECT_NE(why.find(part), std::string::npos) << text << " gave: " << why;
  }
}

TEST(Ref, AWrongRefDoesNotTellItsKey) {
  std::string why;
  EXPECT_FALSE(ParseRef("a/1/2/5ec5ec5ec5ec5ec5e", why));
  EXPECT_EQ(why.find("5ec5"), std::string::npos) << why;
  EXPECT_FALSE(ParseRef("a/1/5ec5ec5ec5ec5ec5", why));
  EXPECT_EQ(why.find("5ec5"), std::string::npos) << why;
}

TEST(Ref, WhatIsShownIsFitForATerminal) {
  EXPECT_EQ(Printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(Printable("abcdef", 3), "abc...");
  std::string why;
  EXPECT_FALSE(ParseRef("\x1b[2J/1/2/0123456789abcdef", why));
  EXPECT_EQ(why.find('\x1b'), std::string::npos);
}

TEST(Text, TellsUtf8FromOtherBytes) {
  for (const char* good : {"", "abc", "caf\u00e9", "\u20ac", "\U0001f600", "\ud7ff", "\ue000"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
    EXPECT_EQ(Printable(good), good);
  }
  // Cut short, overlong, a surrogate, beyond Unicode, a lone continuation.
  for (const char* bad : {"\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf0\x80\x80\x80", "\x80", "a\xff"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
  EXPECT_EQ(Printable("a\xff\u0085"), "a\\xff\\xc2\\x85");
}

TEST(Duration, NeedsAUnit) {
  std::string why;
  for (const char* text :
       {"", "5", "s", "5 s", "5sec", "1.5s", "-", "5S", "99999999999999999999s"}) {
    EXPECT_FALSE(ParseDuration(text, Milliseconds(0), kMaxDuration, why)) << text;
    EXPECT_NE(why.find("unit"), std::string::npos) << why;
  }
}

TEST(Duration, KeepsToItsRange) {
  std::string why;
  EXPECT_FALSE(ParseDuration("0ms", Milliseconds(1), kMaxDuration, why));
  EXPECT_EQ(why, "must be from 1ms to 7d; got 0ms");
  EXPECT_FALSE(ParseDuration("8d", Milliseconds(1), kMaxDuration, why));
  EXPECT_FALSE(ParseDuration("-1s", Milliseconds(0), kMaxDuration, why));
  EXPECT_FALSE(ParseDuration("9223372036854775807d", Milliseconds(1), kMaxDuration, why));
  EXPECT_TRUE(ParseDuration("7d", Milliseconds(1), kMaxDuration, why));
}

TEST(Duration, IsCoarseInTables) {
  using std::string;
  for (const auto& [ms, text] :
       std::vector<std::pair<int64_t, string>>{{0, "0ms"},
                                               {9'999, "9999ms"},
                                               {10'999, "10s"},
                                               {599'999, "599s"},
                                               {600'001, "10m"},
                                               {86'399'999, "23h"},
                                               {86'400'000 * int64_t{10} + 5, "10d"}}) {
    EXPECT_EQ(FormatDuration(Coarse(Milliseconds(ms))), text);
  }
}

TEST(Duration, IsReadBackAsWritten) {
  std::string why;
  for (const char* text : {"0ms", "1ms", "1500ms", "30s", "90s", "2m", "1h", "7d"}) {
    const auto time = ParseDuration(text, Milliseconds(0), kMaxDuration, why);
    ASSERT_TRUE(time) << text << ": " << why;
    EXPECT_EQ(FormatDuration(*time), text);
  }
}

}  // namespace
}  // namespace objpool::client
