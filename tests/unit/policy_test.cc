// Goal: a policy allows what its rules say and nothing else, and one that is wrong is refused with
// the key, the limit and the value. Method: tables, and patterns at random beside a matcher that is
// too simple to be wrong.
#include "proto/settings/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace objpool::settings {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// Tries everything.
bool NaiveMatch(std::string_view pattern, std::string_view text, char separator) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() != '*') {
    return !text.empty() && text.front() == pattern.front() &&
           NaiveMatch(pattern.substr(1), text.substr(1), separator);
  }
  const bool two = pattern.starts_with("**");
  const std::string_view rest = pattern.substr(two ? 2 : 1);
  for (std::size_t taken = 0;; ++taken) {
    if (NaiveMatch(rest, text.substr(taken), separator)) return true;
    if (taken == text.size() || (!two && text[taken] == separator)) return false;
  }
}

TEST(Glob, StarsStandForWhatTheySay) {
  const struct {
    const char* pattern;
    const char* text;
    bool matches;
  } cases[] = {
      {"", "", true},
      {"", "a", false},
      {"a", "a", true},
      {"a", "ab", false},
      {"ab", "a", false},
      {"*", "", true},
      {"*", "a/b", true},  // alone it is everything
      {"**", "a/b", true},
      {"a*", "a", true},
      {"a*", "ab/", false},
      {"a/*/c", "a/b/c", true},
      {"a/*/c", "a/b/b/c", false},
      {"a/**/c", "a/b/b/c", true},
      {"a/*", "a/", true},
      {"*b*", "abc", true},
      {"*b*", "ac", false},
      {"***", "a/b", true},
      {"spiffe://x/ns/*/sa/w", "spiffe://x/ns/a/sa/w", true},
      {"spiffe://x/ns/*/sa/w", "spiffe://x/ns/a/sa/v/sa/w", false},
      {"spiffe://x/**", "spiffe://x/a/b", true},
      {"spiffe://x/**", "spiffe://xy/a/b", false},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(Glob(each.pattern).Matches(each.text), each.matches)
        << each.pattern << " on " << each.text;
  }
  EXPECT_TRUE(Glob("dns:*.a.b", '.').Matches("dns:x.a.b"));
  EXPECT_FALSE(Glob("dns:*.a.b", '.').Matches("dns:x.y.a.b"));
}

TEST(Glob, IsTheNaiveMatcher) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto word = [&](std::string_view letters, std::size_t most) {
    std::string text(random() % (most + 1), ' ');
    for (char& c : text) c = letters[random() % letters.size()];
    return text;
  };
  int matched = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string pattern = word("ab/**", 8);
    const std::string text = word("ab/", 8);
    const bool expected = pattern == "*" || NaiveMatch(pattern, text, '/');
    matched += expected ? 1 : 0;
    ASSERT_EQ(Glob(pattern).Matches(text), expected) << pattern << " on " << text;
  }
  EXPECT_GT(matched, 1000);
}

// What makes a matcher that goes back take years: 2^100 ways.
TEST(Glob, TakesNoLongerThanTheLengthsMultiplied) {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  EXPECT_FALSE(Glob(pattern + "b").Matches(std::string(10'000, 'a')));
  EXPECT_TRUE(Glob(pattern).Matches(std::string(10'000, 'a')));
}

std::optional<AddressRange> Range(const char* text) {
  std::string why;
  return AddressRange::Parse(text, why);
}

TEST(AddressRange, HasWhatBeginsLikeIt) {
  const struct {
    const char* range;
    const char* address;
    bool in;
  } cases[] = {
      {"10.0.0.0/8", "10.255.1.2", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.1.2.3", "10.1.2.3", true},
      {"10.1.2.3", "10.1.2.4", false},
      {"0.0.0.0/0", "1.2.3.4", true},
      {"0.0.0.0/0", "::1", false},
      {"172.16.0.0/12", "172.31.0.1", true},
      {"172.16.0.0/12", "172.32.0.1", false},
      {"2001:db8::/32", "2001:db8:1:2::/64", true},
      {"2001:db8::/32", "2001:db9::/64", false},
      {"2001:db8::/64", "2001:db8::/64", true},
      {"::/0", "::1", true},
      {"::1", "::1", true},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(Range(each.range)->Contains(*Range(each.address)), each.in)
        << each.range << " " << each.address;
  }
  for (const char* const wrong : {"", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
                                  "10.0.0.1/8", "::1/64", "::/129", "10.0.0.0/8x", "a.b"}) {
    EXPECT_FALSE(Range(wrong)) << wrong;
  }
  EXPECT_TRUE(Range("127.1.2.3")->loopback());
  EXPECT_TRUE(Range("::1")->loopback());
  EXPECT_FALSE(Range("126.0.0.1")->loopback());
  EXPECT_FALSE(Range("::/64")->loopback());
}

TEST(Methods, AllHaveNamesAndGroups) {
  MethodSet all = 0;
  for (const char* const group : kGroupNames) all |= *FindMethods(group);
  EXPECT_EQ(all, *FindMethods("*"));
  for (std::size_t i = 0; i < kMethods; ++i) {
    const auto method = static_cast<Method>(i);
    EXPECT_EQ(FindMethod(NameOf(method)), method);
    EXPECT_NE(*FindMethods(kGroupNames[static_cast<std::size_t>(GroupOf(method))]) & Only(method),
              0u);
  }
  EXPECT_FALSE(FindMethods("lease "));
  EXPECT_FALSE(FindMethods(""));
}

Policy Parsed(std::string_view text) {
  ConfigErrors errors;
  auto policy = ParsePolicy(text, Syntax::kText, "policy", errors);
  for (const std::string& line : errors.Lines()) ADD_FAILURE() << line;
  return policy ? *std::move(policy) : Policy({});
}

std::vector<std::string> Wrong(std::string_view text, Syntax syntax = Syntax::kText) {
  ConfigErrors errors;
  EXPECT_FALSE(ParsePolicy(text, syntax, "policy", errors)) << text;
  return errors.Lines();
}

constexpr const char* kPolicy = R"(
rules {
  name: "guards"
  identities: "10.9.0.0/16"
  methods: "CheckFence"
}
rules {
  name: "web"
  identities: "spiffe://x/ns/web/**"
  identities: "10.0.0.0/8"
  methods: "lease"
  methods: "read"
  pools: "web-*"
  pools: "ports"
  quota { handles: 5 }
}
rules { identities: "uid:0" methods: "*" }
)";

TEST(Policy, TheFirstRuleThatAllowsItDecides) {
  const Policy policy = Parsed(kPolicy);
  const auto by = [&](std::string_view identity, Method method, std::string_view pool) {
    const Rule* const rule = policy.Decide(identity, method, pool);
    return rule == nullptr ? "" : rule->name;
  };
  EXPECT_EQ(by("10.1.1.1", Method::kLease, "ports"), "web");
  EXPECT_EQ(by("10.1.1.1", Method::kLease, "web-1"), "web");
  EXPECT_EQ(by("10.1.1.1", Method::kLease, "seats"), "");
  EXPECT_EQ(by("10.1.1.1", Method::kLease, ""), "web") << "some pool";
  EXPECT_EQ(by("10.1.1.1", Method::kRevokeGrant, "ports"), "");
  EXPECT_EQ(by("11.1.1.1", Method::kLease, "ports"), "");
  EXPECT_EQ(by("10.9.1.1", Method::kCheckFence, "seats"), "guards");
  EXPECT_EQ(by("10.9.1.1", Method::kGetPool, "ports"), "web");
  EXPECT_EQ(by("spiffe://x/ns/web/sa/a", Method::kSession, ""), "web");
  EXPECT_EQ(by("spiffe://x/ns/webs/sa/a", Method::kSession, ""), "");
  EXPECT_EQ(by("uid:0", Method::kRevokeGrant, "seats"), "rules[2]");
  EXPECT_EQ(by("uid:1", Method::kLease, "ports"), "");
  EXPECT_EQ(by("10.1.1.1", Method::kLease, std::string(64, 'w')), "");
  EXPECT_EQ(policy.rules()[1].quota->handles, 5u);
  EXPECT_FALSE(policy.rules()[2].quota);
}

TEST(Policy, WithoutRulesAllowsNothing) {
  EXPECT_EQ(Parsed("").Decide("127.0.0.1", Method::kGetPool, "a"), nullptr);
}

TEST(Policy, IsReadFromJsonToo) {
  ConfigErrors errors;
  const auto policy = ParsePolicy(
      R"({"rules": [{"identities": ["*"], "methods": ["lease"], "quota": {"callsPerS": 3}}]})",
      Syntax::kJson, "policy", errors);
  ASSERT_TRUE(policy) << errors.Lines().front();
  EXPECT_EQ(policy->Decide("spiffe://a/b", Method::kLease, "p")->quota->calls_per_s, 3u);
}

TEST(Policy, WhatIsWrongIsNamed) {
  const struct {
    const char* text;
    const char* key;
    const char* limit;
  } cases[] = {
      {R"(rules { methods: "lease" })", "rules[0].identities", "1 .. 64 entries, but is 0"},
      {R"(rules { identities: "*" })", "rules[0].methods", "1 .. 64 entries, but is 0"},
      {R"(rules { identities: "" methods: "*" })", "rules[0].identities[0]", "1 .. 256 bytes"},
      {R"(rules { identities: "a\n" methods: "*" })", "rules[0].identities[0]", "control"},
      {R"(rules { identities: "10.0.0.256" methods: "*" })", "rules[0].identities[0]",
       "\"10.0.0.256\""},
      {R"(rules { identities: "10.*" methods: "*" })", "rules[0].identities[0]", "10.0.0.0/8"},
      {R"(rules { identities: "10.0.0.1/8" methods: "*" })", "rules[0].identities[0]", "beyond"},
      {R"(rules { identities: "2001:db8::1" methods: "*" })", "rules[0].identities[0]", "64 bits"},
      {R"(rules { identities: "*" methods: "leases" })", "rules[0].methods[0]", "\"leases\""},
      {R"(rules { identities: "*" methods: "*" pools: "" })", "rules[0].pools[0]", "1 .. 63 bytes"},
      {R"(rules { identities: "*" methods: "*" quota { handles: 16777217 } })",
       "rules[0].quota.handles", "16777216"},
      {R"(rules { identities: "*" methods: "*" quota { calls_per_s: 1000001 } })",
       "rules[0].quota.calls_per_s", "1000000"},
      {R"(rules { name: "a\tb" identities: "*" methods: "*" })", "rules[0].name", "printable"},
      {R"(rules { deny: true })", "policy:1:13", "deny"},
      {R"(rules {)", "policy:1:", ""},
  };
  for (const auto& each : cases) {
    EXPECT_THAT(Wrong(each.text),
                Contains(::testing::AllOf(::testing::StartsWith(each.key), HasSubstr(each.limit))))
        << each.text;
  }
  EXPECT_THAT(Wrong(R"({"rules": [{}], "rules": []})", Syntax::kJson).front(), HasSubstr("rules"));
}

TEST(Policy, IsBounded) {
  const std::string rule = R"(rules { identities: "*" methods: "*" })";
  std::string many;
  for (std::size_t i = 0; i <= Policy::kMaxRules; ++i) many += rule;
  EXPECT_THAT(Wrong(many), Contains(HasSubstr("0 .. 1024 entries, but is 1025")));
  std::string wide = R"(rules { methods: "*" )";
  for (std::size_t i = 0; i < Policy::kMaxOfRule; ++i) wide += R"(identities: "*" )";
  EXPECT_EQ(Parsed(wide + "}").rules().front().identities.size(), Policy::kMaxOfRule);
  EXPECT_THAT(Wrong(wide + R"(identities: "*" })"), Contains(HasSubstr("1 .. 64 entries")));
  std::string all;
  for (std::size_t i = 0; i <= Policy::kMaxPatterns / Policy::kMaxOfRule; ++i) all += wide + "}";
  EXPECT_THAT(Wrong(all), Contains(HasSubstr("4096 patterns")));
}

}  // namespace
}  // namespace objpool::settings
