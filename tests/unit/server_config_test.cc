// The configuration: what is accepted, what is refused and with which words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/config/config.h"
#include "server/config/duration.h"
#include "server/config/endpoint.h"
#include "server/config/errors.h"
#include "server/config/file.h"
#include "server/config/flags.h"
#include "server/config/utf8.h"

namespace objpool::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

constexpr std::string_view kOnePool = "pools { name: 'seats' ids { count: 5 } } ";

std::optional<Config> Parse(std::string_view text, ConfigErrors& errors,
                            ConfigSyntax syntax = ConfigSyntax::kText) {
  return ParseConfig(text, syntax, "FILE", {}, errors);
}

Config Good(std::string_view text) {
  ConfigErrors errors;
  const std::optional<Config> config = Parse(text, errors);
  EXPECT_TRUE(config) << testing::PrintToString(errors.Lines());
  return config ? *config : Config{};
}

std::vector<std::string> Bad(std::string_view text, ConfigSyntax syntax = ConfigSyntax::kText) {
  ConfigErrors errors;
  EXPECT_FALSE(Parse(text, errors, syntax)) << text;
  EXPECT_FALSE(errors.empty());
  return errors.Lines();
}

std::vector<std::string> BadWithPool(std::string_view text) {
  return Bad(std::string(kOnePool) + std::string(text));
}

std::vector<std::string> BadPool(std::string_view text) {
  return Bad("pools { name: 'p' " + std::string(text) + " }");
}

TEST(ServerConfig, ADefaultIsFilledInForEveryKeyLeftOut) {
  const Config config = Good(kOnePool);
  EXPECT_EQ(config.listen, (Endpoint{"127.0.0.1", 7420}));
  EXPECT_EQ(config.metrics_listen, (Endpoint{"127.0.0.1", 9742}));
  EXPECT_EQ(config.ready_file, "");
  EXPECT_FALSE(config.insecure_allow_plaintext);
  EXPECT_EQ(config.engine, EngineKind::kH2);
  EXPECT_EQ(config.busy_poll_us, 0u);
  EXPECT_EQ(config.workers, 0u);
  EXPECT_EQ(config.shutdown_grace.count(), 5000);
  EXPECT_TRUE(config.reflection);
  EXPECT_EQ(config.policy_file, "");
  EXPECT_EQ(config.audit_log, "");
  EXPECT_EQ(config.admin, AdminAccess::kLocal);
  EXPECT_THAT(config.pools, ElementsAre(PoolSpec{.name = "seats", .kind = IdsSpec{0, 5}}));
}

constexpr std::string_view kFull = R"(
  listen: "[::1]:0" metrics_listen: "off" ready_file: "/run/objpoold.json"
  insecure_allow_plaintext: true engine: ENGINE_H2
  max_connections_per_peer: 9 steer_by_cpu: true busy_poll_us: 50
  max_connection_age { seconds: 60 } max_connection_age_grace { seconds: 5 }
  workers: 7 shutdown_grace { nanos: 250000000 } reflection: false
  policy_file: "/p" audit_log: "stderr" admin: ADMIN_ACCESS_OFF
  pools { name: "ids" ids { first: -3 count: 16777216 } ttl_min { seconds: 60 } }
  pools { name: "labels-2" labels { label: "red" label: "\xc3\xa9\"\n" } ttl_max { seconds: 2 } }
  pools {
    name: "buffers" buffers { count: 3 size_bytes: 1073741824 }
    ttl_min { nanos: 5000000 } ttl_default { seconds: 1 nanos: 7000000 } ttl_max { seconds: 604800 }
  })";

TEST(ServerConfig, EveryKeyIsRead) {
  const Config config = Good(kFull);
  EXPECT_EQ(config.listen, (Endpoint{"::1", 0}));
  EXPECT_EQ(config.metrics_listen, std::nullopt);
  EXPECT_EQ(config.ready_file, "/run/objpoold.json");
  EXPECT_TRUE(config.insecure_allow_plaintext);
  EXPECT_EQ(config.engine, EngineKind::kH2);
  EXPECT_EQ(config.max_connections_per_peer, 9u);
  EXPECT_TRUE(config.steer_by_cpu);
  EXPECT_EQ(config.busy_poll_us, 50u);
  EXPECT_EQ(config.max_connection_age.count(), 60'000);
  EXPECT_EQ(config.max_connection_age_grace.count(), 5000);
  EXPECT_EQ(config.workers, 7u);
  EXPECT_EQ(config.shutdown_grace.count(), 250);
  EXPECT_FALSE(config.reflection);
  EXPECT_EQ(config.policy_file, "/p");
  EXPECT_EQ(config.audit_log, "stderr");
  EXPECT_EQ(config.admin, AdminAccess::kOff);
  EXPECT_THAT(config.pools,
              ElementsAre(PoolSpec{"ids", IdsSpec{-3, 1 << 24}, 60'000, 60'000, 3'600'000},
                          PoolSpec{"labels-2", LabelsSpec{{"red", "\xc3\xa9\"\n"}}, 1, 2000, 2000},
                          PoolSpec{"buffers", BuffersSpec{3, 1 << 30}, 5, 1007, 604'800'000}));
}

TEST(ServerConfig, WhatIsPrintedParsesBackToTheSame) {
  for (const std::string_view text : {kOnePool, kFull}) {
    const Config config = Good(text);
    EXPECT_EQ(Good(PrintConfig(config)), config) << PrintConfig(config);
  }
}

TEST(ServerConfig, WhoMayAdministerIsOneOfThree) {
  EXPECT_EQ(Good(std::string(kOnePool) + "admin: ADMIN_ACCESS_ALL").admin, AdminAccess::kAll);
  EXPECT_THAT(BadWithPool("admin: 9"), ElementsAre("admin: must be ADMIN_ACCESS_OFF, "
                                                   "ADMIN_ACCESS_LOCAL or ADMIN_ACCESS_ALL, but "
                                                   "is 9"));
}

TEST(ServerConfig, JsonIsReadWithEitherSpellingOfKeys) {
  ConfigErrors errors;
  const std::optional<Config> config = Parse(
      R"({"metrics_listen": "off", "shutdownGrace": "0.250s",
          "pools": [{"name": "p", "ids": {"first": "-9", "count": 2}, "ttlMax": "60s"}]})",
      errors, ConfigSyntax::kJson);
  ASSERT_TRUE(config) << testing::PrintToString(errors.Lines());
  EXPECT_EQ(config->metrics_listen, std::nullopt);
  EXPECT_EQ(config->shutdown_grace.count(), 250);
  EXPECT_THAT(config->pools, ElementsAre(PoolSpec{"p", IdsSpec{-9, 2}, 1, 30'000, 60'000}));
}

TEST(ServerConfig, WithoutPoolsItIsRefused) {
  EXPECT_THAT(Bad(""), ElementsAre("pools: must be 1 .. 1024 pools, but is 0"));
  std::string many;
  for (int i = 0; i < 1025; ++i)
    many += "pools { name: 'p" + std::to_string(i) + "' ids { count: 1 } }";
  EXPECT_THAT(Bad(many), ElementsAre("pools: must be 1 .. 1024 pools, but is 1025"));
}

TEST(ServerConfig, UnknownKeysAreAllNamedWithTheirPlace) {
  EXPECT_THAT(Bad("lisen: 'x'\npools {\n  name: 'p' ids { cout: 1 }\n}"),
              ElementsAre(AllOf(StartsWith("FILE:1:"), HasSubstr("\"lisen\"")),
                          AllOf(StartsWith("FILE:3:"), HasSubstr("\"cout\"")),
                          "pools[0].ids.count: must be 1 .. 16777216, but is 0"));
  EXPECT_THAT(Bad(R"({"pools": [{"nam": "p"}]})", ConfigSyntax::kJson),
              ElementsAre(AllOf(StartsWith("FILE: "), HasSubstr("pools[0]"), HasSubstr("nam"))));
}

TEST(ServerConfig, BrokenTextIsRefused) {
  for (const std::string_view text :
       {"pools {", "listen: 7", "workers: -1", "workers: 4294967296", "listen: 'a' listen: 'b'",
        "pools { ids { count: 1 } labels { label: 'a' } }", "\xff\xfe",
        "[google.protobuf.Any]: 1"}) {
    EXPECT_THAT(Bad(text).front(), StartsWith("FILE:")) << text;
  }
  for (const std::string_view text :
       {"", "[", "{\"workers\": -1}", "{\"shutdownGrace\": 5}", "{\"shutdownGrace\": \"5\"}",
        "{\"pools\": [{\"ids\": {\"count\": 1}, \"labels\": {\"label\": [\"a\"]}}]}"}) {
    EXPECT_THAT(Bad(text, ConfigSyntax::kJson).front(), StartsWith("FILE:")) << text;
  }
}

TEST(ServerConfig, AKeyGivenTwiceInJsonIsRefused) {
  constexpr std::string_view kTwice = ": must be given once, but is more often";
  EXPECT_THAT(Bad(R"({"workers": 1, "readyFile": "a", "ready_file": "b", "workers": 2, "workers": 3,
                      "pools": [{"name": "p", "ids": {"count": 1}}, {"name": "a", "name": "b",
                                                "ids": {"first": 1, "first": 2, "count": 1}}]})",
                  ConfigSyntax::kJson),
              testing::UnorderedElementsAre("workers" + std::string(kTwice),
                                            "ready_file" + std::string(kTwice),
                                            "pools[1].name" + std::string(kTwice),
                                            "pools[1].ids.first" + std::string(kTwice)));
  EXPECT_THAT(
      Bad(R"({"pools": [{"ids": {"count": 1}, "ids": {"first": 1}}]})", ConfigSyntax::kJson),
      ElementsAre(HasSubstr("'kind' is already set")));
}

TEST(ServerConfig, AListenerBeyondTheHostNeedsTheFlag) {
  for (const std::string_view host : {"0.0.0.0", "[::]", "10.0.0.1", "example.org", "128.0.0.1",
                                      "127.1", "[::ffff:127.0.0.1]", "localhost.example.org"}) {
    for (const std::string_view key : {"listen", "metrics_listen"}) {
      const std::string text = std::string(key) + ": '" + std::string(host) + ":1' ";
      EXPECT_THAT(BadWithPool(text),
                  ElementsAre(AllOf(StartsWith(std::string(key) + ": must be on 127.0.0.0/8"),
                                    HasSubstr("insecure_allow_plaintext"), HasSubstr(host))));
      Good(std::string(kOnePool) + text + "insecure_allow_plaintext: true");
    }
  }
  for (const std::string_view host : {"127.0.0.1", "127.255.3.9", "[::1]", "localhost"}) {
    Good(std::string(kOnePool) + "listen: '" + std::string(host) + ":1'");
  }
}

TEST(ServerConfig, AnAddressIsHostAndPort) {
  for (const std::string_view text :
       {"127.0.0.1", ":80", "::1:80", "[::1]", "[::1", "[::1]80", "[127.0.0.1]:80", "[]:80",
        "a b:80", "a_b:80", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
        "127.0.0.1:1 ", "off"}) {
    EXPECT_THAT(
        BadWithPool("listen: '" + std::string(text) + "'"),
        ElementsAre(StartsWith("listen: must be HOST:PORT, but is \"" + std::string(text))));
  }
  for (const std::string_view text : {"127.0.0.1:0", "[::1]:65535", "localhost:1"}) {
    std::string why;
    const std::optional<Endpoint> endpoint = ParseEndpoint(text, why);
    ASSERT_TRUE(endpoint) << why;
    EXPECT_EQ(FormatEndpoint(*endpoint), text);
  }
}

TEST(ServerConfig, ContradictionsAndRangesOfTheServerAreRefused) {
  EXPECT_THAT(BadWithPool("listen: 'localhost:9' metrics_listen: 'localhost:9'"),
              ElementsAre("metrics_listen: must be another address than listen, but is "
                          "\"localhost:9\" too"));
  Good(std::string(kOnePool) + "listen: '127.0.0.1:0' metrics_listen: '127.0.0.1:0'");
  EXPECT_THAT(BadWithPool("workers: 1025"),
              ElementsAre("workers: must be 0 (automatic) or 1 .. 1024, but is 1025"));
  EXPECT_THAT(BadWithPool("engine: 3"),
              ElementsAre("engine: must be ENGINE_GRPC or ENGINE_H2, but is 3"));
  EXPECT_THAT(BadWithPool("ready_file: 'a\\000b'"),
              ElementsAre(StartsWith("ready_file: must be ")));
  for (const std::string_view grace :
       {"seconds: -1", "nanos: -1", "nanos: 1", "nanos: 1000000000", "seconds: 301",
        "seconds: 300 nanos: 1000000", "seconds: 9223372036854775807",
        "seconds: 1 nanos: -1000000"}) {
    EXPECT_THAT(
        BadWithPool("shutdown_grace { " + std::string(grace) + " }"),
        ElementsAre(StartsWith("shutdown_grace: must be whole milliseconds in 0s .. 5m, but")));
  }
  EXPECT_EQ(Good(std::string(kOnePool) + "shutdown_grace {}").shutdown_grace.count(), 0);
}

TEST(ServerConfig, PoolNamesAreDnsLabelsAndDiffer) {
  for (const std::string_view name :
       {"", "-a", "a-", "9a", "A", "a_b", "a.b", "\\303\\251",
        "a23456789012345678901234567890123456789012345678901234567890123x"}) {
    EXPECT_THAT(Bad("pools { name: '" + std::string(name) + "' ids { count: 1 } }"),
                ElementsAre(StartsWith("pools[0].name: must be 1 .. 63 of a-z, 0-9 and '-'")));
  }
  EXPECT_THAT(BadWithPool(kOnePool), ElementsAre("pools[1].name: must be unlike all others, but is "
                                                 "\"seats\", as pools[0]"));
}

TEST(ServerConfig, APoolHasOneKind) {
  EXPECT_THAT(BadPool(""),
              ElementsAre("pools[0]: must have one of ids, labels and buffers, but has none"));
}

TEST(ServerConfig, IdsStayWithinTheirType) {
  EXPECT_THAT(BadPool("ids {}"),
              ElementsAre("pools[0].ids.count: must be 1 .. 16777216, but is 0"));
  EXPECT_THAT(
      BadPool("ids { count: 18446744073709551615 }"),
      ElementsAre("pools[0].ids.count: must be 1 .. 16777216, but is 18446744073709551615"));
  EXPECT_THAT(
      BadPool("ids { first: 9223372036854775807 count: 2 }"),
      ElementsAre(AllOf(StartsWith("pools[0].ids.first: must be at most 9223372036854775806"),
                        HasSubstr("but is 9223372036854775807"))));
  Good("pools { name: 'p' ids { first: 9223372036854775807 count: 1 } }");
  Good("pools { name: 'p' ids { first: -9223372036854775808 count: 16777216 } }");
}

TEST(ServerConfig, LabelsAreShortDifferentText) {
  EXPECT_THAT(BadPool("labels {}"),
              ElementsAre("pools[0].labels.label: must be 1 .. 65536 labels, but is 0"));
  EXPECT_THAT(BadPool("labels { label: 'a' label: '' label: 'a' label: '\\377' label: '" +
                      std::string(257, 'x') + "' }"),
              ElementsAre("pools[0].labels.label[1]: must be 1 .. 256 bytes, but is 0 bytes: \"\"",
                          "pools[0].labels.label[2]: must be unlike all others, but is \"a\", as "
                          "label[0]",
                          "pools[0].labels.label[3]: must be UTF-8, but is \"\\xff\"",
                          AllOf(HasSubstr("label[4]: must be 1 .. 256 bytes, but is 257 bytes"),
                                SizeIs(testing::Lt(200u)))));
  std::string labels;
  for (int i = 0; i < 65'536; ++i) labels += " label: 'l" + std::to_string(i) + "'";
  Good("pools { name: 'p' labels {" + labels + " } }");
  EXPECT_THAT(BadPool("labels {" + labels + " label: 'one' }"),
              ElementsAre("pools[0].labels.label: must be 1 .. 65536 labels, but is 65537"));
}

TEST(ServerConfig, BuffersFitIntoMemoryAlone) {
  EXPECT_THAT(BadPool("buffers {}"),
              ElementsAre("pools[0].buffers.size_bytes: must be 1 .. 1073741824, but is 0",
                          "pools[0].buffers.count: must be 1 .. 16777216, but is 0"));
  EXPECT_THAT(
      BadPool("buffers { count: 1 size_bytes: 1073741825 }"),
      ElementsAre("pools[0].buffers.size_bytes: must be 1 .. 1073741824, but is 1073741825"));
  EXPECT_THAT(BadPool("buffers { count: 65537 size_bytes: 1073741824 }"),
              ElementsAre("pools[0].buffers: must be at most 70368744177664 bytes (2^46) together "
                          "with the pools before it, but is 70369817919488 bytes"));
  Good("pools { name: 'p' buffers { count: 65536 size_bytes: 1073741824 } }");
}

TEST(ServerConfig, OnlyBuffersAreScrubbed) {
  constexpr std::string_view kBuffers = "pools { name: 'b' buffers { count: 1 size_bytes: 9 } ";
  EXPECT_FALSE(Good(std::string(kBuffers) + "}").pools[0].scrub);
  const Config config = Good(std::string(kBuffers) + "scrub: true }");
  EXPECT_TRUE(config.pools[0].scrub);
  EXPECT_EQ(Good(PrintConfig(config)), config);
  EXPECT_THAT(BadPool("ids { count: 1 } scrub: true"),
              ElementsAre("pools[0].scrub: must be false for what are no buffers, but is true"));
}

TEST(ServerConfig, BuffersFitIntoMemoryTogether) {
  const std::string half = "buffers { count: 32768 size_bytes: 1073741824 }";
  const std::string two = "pools { name: 'a' " + half + "} pools { name: 'b' " + half + "}";
  Good(two);
  EXPECT_THAT(Bad(two + "pools { name: 'c' buffers { count: 1 size_bytes: 1 } }"),
              ElementsAre(AllOf(StartsWith("pools[2].buffers: must be at most 70368744177664"),
                                HasSubstr("but is 70368744181760 bytes"))));
}

TEST(ServerConfig, TimesToLiveAreInOrderAndInRange) {
  EXPECT_THAT(BadPool("ids { count: 1 } ttl_min { seconds: 7200 }"),
              ElementsAre("pools[0].ttl_min: must be at most ttl_max, which is 1h, but is 2h"));
  EXPECT_THAT(
      BadPool("ids { count: 1 } ttl_min { seconds: 2 } ttl_default { seconds: 1 }"),
      ElementsAre("pools[0].ttl_default: must be within ttl_min .. ttl_max, which are 2s .. "
                  "1h, but is 1s"));
  for (const std::string_view key : {"ttl_min", "ttl_default", "ttl_max"}) {
    for (const std::string_view ttl :
         {"", "nanos: 999999", "nanos: 1000001", "seconds: -5", "seconds: 604800 nanos: 1000000"}) {
      EXPECT_THAT(BadPool("ids { count: 1 } " + std::string(key) + " { " + std::string(ttl) + " }"),
                  ElementsAre(StartsWith("pools[0]." + std::string(key) +
                                         ": must be whole milliseconds in 1ms .. 7d, but is ")));
    }
  }
}

TEST(ServerConfig, EverythingWrongIsToldAtOnceButNotWithoutEnd) {
  EXPECT_THAT(Bad("listen: 'x' workers: 2000 pools { name: 'P' ids {} }"), SizeIs(4));
  std::string text;
  for (int i = 0; i < 50; ++i)
    text += "pools { name: '-" + std::to_string(i) + "' ids { count: 1 } }";
  const std::vector<std::string> lines = Bad(text);
  EXPECT_THAT(lines, SizeIs(ConfigErrors::kMaxLines + 1));
  EXPECT_EQ(lines.back(), "and 30 more");
}

TEST(ServerConfig, AMistakeIsToldInOneShortLine) {
  EXPECT_THAT(
      Bad("workers: '\x1b[31m" + std::string(10'000, 'x') + "'"),
      ElementsAre(AllOf(SizeIs(ConfigErrors::kMaxLineBytes), testing::Not(HasSubstr("\x1b")))));
  EXPECT_THAT(Bad("{\"pools\": [\n", ConfigSyntax::kJson),
              ElementsAre(AllOf(StartsWith("FILE: "), testing::Not(HasSubstr("\n")))));
}

TEST(ConfigDuration, FlagsReadWhatMessagesWrite) {
  for (const int64_t ms :
       {int64_t{0}, int64_t{1}, int64_t{1500}, int64_t{60'000}, int64_t{1} << 53}) {
    EXPECT_EQ(ParseDurationMs(FormatDurationMs(ms)), ms);
  }
  for (const std::string_view text :
       {"", "5", "s", "-1s", " 5s", "5 s", "1.5s", "5sec", "9007199254740993ms",
        "99999999999999999999s", "200000000d"}) {
    EXPECT_EQ(ParseDurationMs(text), std::nullopt) << text;
  }
}

TEST(Utf8, OnlyRealCharactersAreTakenAndTheirEndsAreChecked) {
  for (const std::string_view text :
       {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(text)) << testing::PrintToString(text);
  }
  for (const std::string_view text :
       {"\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe1\x80",
        "\xe1\x80\x41", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf1\x80\x80",
        "\xf5\x80\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(text)) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace objpool::server
