// The configuration of where the server listens, and of what becomes of connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/config.h"
#include "server/config/errors.h"
#include "server/config/file.h"

namespace objpool::server {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using testing::StartsWith;

constexpr std::string_view kOnePool = "pools { name: 'seats' ids { count: 5 } } ";

std::optional<Config> Parse(std::string_view text, ConfigErrors& errors) {
  return ParseConfig(text, ConfigSyntax::kText, "FILE", {}, errors);
}

Config Good(std::string_view text) {
  ConfigErrors errors;
  const std::optional<Config> config = Parse(text, errors);
  EXPECT_TRUE(config) << testing::PrintToString(errors.Lines());
  return config ? *config : Config{};
}

std::vector<std::string> BadWithPool(std::string_view text) {
  ConfigErrors errors;
  EXPECT_FALSE(Parse(std::string(kOnePool) + std::string(text), errors)) << text;
  return errors.Lines();
}

constexpr std::string_view kTls = R"(pools { name: 'p' ids { count: 1 } } listen: "0.0.0.0:1"
  tls { cert_file: "/c" key_file: "/k" client_ca_file: "/a" client_cert_required: false })";

TEST(ConnectionsConfig, TlsIsReadAndLetsTheServerBeReached) {
  EXPECT_EQ(Good(kTls).tls, (TlsSpec{"/c", "/k", "/a", false}));
  EXPECT_EQ(Good(kTls).listen, (Endpoint{"0.0.0.0", 1}));
  const std::string pool(kOnePool);
  EXPECT_EQ(Good(pool).tls, std::nullopt);
  EXPECT_EQ(Good(pool + "tls { cert_file: '/c' key_file: '/k' }").tls,
            (TlsSpec{"/c", "/k", "", false}));
  EXPECT_EQ(Good(pool + "tls { cert_file: '/c' key_file: '/k' client_ca_file: '/a' }").tls,
            (TlsSpec{"/c", "/k", "/a", true}));
  // Metrics are not encrypted.
  EXPECT_EQ(Good(PrintConfig(Good(kTls))), Good(kTls));
  EXPECT_THAT(BadWithPool("listen: '[::1]:1' metrics_listen: '0.0.0.0:2' "
                          "tls { cert_file: '/c' key_file: '/k' }"),
              ElementsAre(StartsWith("metrics_listen: must be on 127.0.0.0/8")));
}

TEST(ConnectionsConfig, TlsWithoutItsFilesIsRefused) {
  EXPECT_THAT(BadWithPool("tls {}"), ElementsAre(StartsWith("tls.cert_file: must be the path"),
                                                 StartsWith("tls.key_file: must be the path")));
  EXPECT_THAT(BadWithPool("tls { cert_file: '/c' key_file: '/k\\0' }"),
              ElementsAre(StartsWith("tls.key_file: must be a path without NUL")));
  EXPECT_THAT(BadWithPool("tls { cert_file: '/c' key_file: '/k' client_cert_required: true }"),
              ElementsAre(StartsWith("tls.client_cert_required: must be false where")));
}

TEST(ConnectionsConfig, ListenIsAnAddressAUnixSocketOrBoth) {
  const std::string pool(kOnePool);
  for (const std::string_view path : {"/run/a", "a", "../a b"}) {
    const Config config = Good(pool + "listen: 'unix:" + std::string(path) + "'");
    EXPECT_EQ(config.listen, std::nullopt);
    EXPECT_EQ(config.listen_unix, path);
    EXPECT_EQ(Good(PrintConfig(config)), config);
  }
  EXPECT_EQ(Good(pool + "listen: 'unix:///run/a'").listen_unix, "/run/a");
  for (const char* both : {"localhost:7,unix:/a", "unix:/a,localhost:7"}) {
    const Config config = Good(pool + "listen: '" + both + "'");
    EXPECT_EQ(config.listen, (Endpoint{"localhost", 7}));
    EXPECT_EQ(config.listen_unix, "/a");
    EXPECT_EQ(Good(PrintConfig(config)), config);
  }
  const std::string longest(107, 'x');
  EXPECT_EQ(Good(pool + "listen: 'unix:" + longest + "'").listen_unix, longest);
  for (const std::string& bad : {std::string("unix:"), "unix:" + longest + "x"}) {
    EXPECT_THAT(BadWithPool("listen: '" + bad + "'"),
                ElementsAre(StartsWith("listen: must be unix: and a path of 1 .. 107 bytes")));
  }
  EXPECT_THAT(BadWithPool("listen: 'unix:/a,unix:/b'"),
              ElementsAre(StartsWith("listen: must be one HOST:PORT and one unix:PATH")));
  EXPECT_THAT(BadWithPool("listen: 'unix:/a,'"), ElementsAre(StartsWith("listen: must be HOST")));
}

TEST(ConnectionsConfig, WhatIsDoneWithConnectionsIsChecked) {
  EXPECT_THAT(BadWithPool("engine: ENGINE_GRPC max_connections_per_peer: 5 steer_by_cpu: true "
                          "busy_poll_us: 1"),
              ElementsAre("max_connections_per_peer: must be unset with engine: ENGINE_GRPC, but "
                          "is 5",
                          "steer_by_cpu: must be unset with engine: ENGINE_GRPC, but is true",
                          "busy_poll_us: must be unset with engine: ENGINE_GRPC, but is 1"));
  EXPECT_THAT(BadWithPool("busy_poll_us: 10001"),
              ElementsAre("busy_poll_us: must be 0 .. 10000, but is 10001"));
  for (const char* number : {"0", "65537"}) {
    EXPECT_THAT(
        BadWithPool(std::string("max_connections_per_peer: ") + number),
        ElementsAre(std::string("max_connections_per_peer: must be 1 .. 65536, but is ") + number));
  }
  EXPECT_THAT(BadWithPool("max_connection_age { nanos: 99000000 }"), SizeIs(1));
  EXPECT_THAT(BadWithPool("max_connection_age_grace { seconds: 1 }"),
              ElementsAre("max_connection_age_grace: must be unset without max_connection_age, but "
                          "is 1s"));
}

}  // namespace
}  // namespace objpool::server
