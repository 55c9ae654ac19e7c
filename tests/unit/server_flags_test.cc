// The command line of the server, from its words to a configuration or to what it prints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/config/flags.h"

namespace objpool::server {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Parsed = std::variant<Config, Exit, StateCommand>;

class ServerFlags : public testing::Test {
 protected:
  void TearDown() override { std::remove(path_.c_str()); }

  void WriteFile(std::string_view text) { std::ofstream(path_) << text; }

  static Parsed Run(std::vector<std::string> arguments) {
    std::vector<const char*> argv = {"objpoold"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return ParseCommandLine(static_cast<int>(argv.size()), argv.data());
  }

  // Runs with the file and more.
  Parsed RunWithFile(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--config", path_});
    return Run(std::move(arguments));
  }

  static Config GoodConfig(const Parsed& result) {
    if (const auto* const exit = std::get_if<Exit>(&result)) {
      ADD_FAILURE() << exit->out << exit->err;
      return {};
    }
    return std::get<Config>(result);
  }

  static Exit GoodExit(const Parsed& result) {
    EXPECT_TRUE(std::holds_alternative<Exit>(result));
    const auto* const exit = std::get_if<Exit>(&result);
    return exit != nullptr ? *exit : Exit{.code = -1, .out = "", .err = ""};
  }

  static void ExpectRefusal(const Parsed& result, std::string_view words) {
    const Exit exit = GoodExit(result);
    EXPECT_EQ(exit.code, 2);
    EXPECT_EQ(exit.out, "");
    EXPECT_THAT(exit.err, AllOf(StartsWith("objpoold: "), HasSubstr(words), EndsWith("\n")));
  }

  const std::string path_ = testing::TempDir() + "objpool_flags." + std::to_string(getpid());
};

constexpr std::string_view kFile = R"(
  listen: "not an address" engine: ENGINE_H2 workers: 3 shutdown_grace { nanos: 1 } ready_file: "/a"
  pools { name: "p" ids { count: 1 } })";

TEST_F(ServerFlags, FlagsReplaceTheKeysOfTheFileRightOrWrong) {
  WriteFile(kFile);
  const Config config = GoodConfig(
      RunWithFile({"--listen", "0.0.0.0:0", "--metrics_listen=off", "--ready_file", "/b",
                   "--workers", "0", "--shutdown_grace", "20ms", "--insecure_allow_plaintext",
                   "--reflection=false", "--engine=grpc"}));
  EXPECT_EQ(config.listen, (Endpoint{"0.0.0.0", 0}));
  EXPECT_EQ(config.metrics_listen, std::nullopt);
  EXPECT_EQ(config.ready_file, "/b");
  EXPECT_EQ(config.engine, EngineKind::kGrpc);
  EXPECT_EQ(config.workers, 0u);
  EXPECT_EQ(config.shutdown_grace.count(), 20);
  EXPECT_TRUE(config.insecure_allow_plaintext);
  EXPECT_FALSE(config.reflection);
}

TEST_F(ServerFlags, BusyPollingIsAFlagToo) {
  WriteFile("busy_poll_us: 9 pools { name: 'p' ids { count: 1 } }");
  EXPECT_EQ(GoodConfig(RunWithFile({})).busy_poll_us, 9u);
  EXPECT_EQ(GoodConfig(RunWithFile({"--busy_poll_us=0"})).busy_poll_us, 0u);
}

TEST_F(ServerFlags, APolicyIsReadWithTheConfiguration) {
  WriteFile("admin: ADMIN_ACCESS_OFF pools { name: 'p' ids { count: 1 } }");
  EXPECT_EQ(GoodConfig(RunWithFile({"--admin=all", "--audit_log=/a"})).admin, AdminAccess::kAll);
  ExpectRefusal(RunWithFile({"--admin=some"}), "admin");
  ExpectRefusal(RunWithFile({"--policy_file=/nowhere/policy"}), "/nowhere/policy: cannot be read");
  const std::string policy = path_ + ".policy";
  std::ofstream(policy) << "rules { identities: '*' }";
  ExpectRefusal(RunWithFile({"--check_config", "--policy_file=" + policy}),
                "rules[0].methods: must be 1 .. 64 entries, but is 0");
  std::ofstream(policy) << "rules { identities: '*' methods: 'lease' }";
  EXPECT_EQ(GoodConfig(RunWithFile({"--policy_file=" + policy})).policy_file, policy);
  std::remove(policy.c_str());
}

TEST_F(ServerFlags, FlagsMakeTlsAndReplaceItsKeys) {
  WriteFile("pools { name: 'p' ids { count: 1 } }");
  EXPECT_EQ(GoodConfig(RunWithFile({"--tls_cert=/c", "--tls-key", "/k"})).tls,
            (TlsSpec{"/c", "/k", "", false}));
  ExpectRefusal(RunWithFile({"--tls_cert=/c"}), "tls.key_file: must be the path of a file");
  WriteFile(R"(pools { name: "p" ids { count: 1 } }
               tls { cert_file: "/c" key_file: "/k" client_ca_file: "/a" })");
  EXPECT_EQ(GoodConfig(RunWithFile({"--tls_client_ca=/b", "--tls_client_cert_required=false"})).tls,
            (TlsSpec{"/c", "/k", "/b", false}));
}

TEST_F(ServerFlags, WhatNoFlagNamesStaysAsTheFileOrTheDefaultHasIt) {
  WriteFile("insecure_allow_plaintext: true pools { name: 'p' ids { count: 1 } }");
  Config config = GoodConfig(RunWithFile({}));
  EXPECT_TRUE(config.insecure_allow_plaintext);
  EXPECT_TRUE(config.reflection);
  EXPECT_EQ(config.shutdown_grace.count(), 5000);
  WriteFile("reflection: false workers: 4 pools { name: 'p' ids { count: 1 } }");
  config = GoodConfig(RunWithFile({}));
  EXPECT_FALSE(config.insecure_allow_plaintext);
  EXPECT_FALSE(config.reflection);
  EXPECT_EQ(config.workers, 4u);
  EXPECT_EQ(GoodConfig(RunWithFile({"--engine", "h2"})).engine, EngineKind::kH2);
}

TEST_F(ServerFlags, HyphensMayStandForUnderscoresInNamesAndStayInValues) {
  WriteFile(kFile);
  const Config config = GoodConfig(
      RunWithFile({"--listen=my-host:1", "--metrics-listen", "[::1]:7", "--ready-file=/c-d",
                   "--shutdown-grace=1m", "--insecure-allow-plaintext=true", "--reflection"}));
  EXPECT_EQ(config.listen->host, "my-host");
  EXPECT_EQ(config.metrics_listen, (Endpoint{"::1", 7}));
  EXPECT_EQ(config.ready_file, "/c-d");
  EXPECT_EQ(config.shutdown_grace.count(), 60'000);
  EXPECT_TRUE(config.reflection);
}

TEST_F(ServerFlags, CheckConfigSaysOkOrWhatIsWrong) {
  WriteFile("pools { name: 'p' ids { count: 1 } }");
  for (const char* const flag : {"--check_config", "--check-config"}) {
    const Exit exit = GoodExit(RunWithFile({flag}));
    EXPECT_EQ(exit.code, 0);
    EXPECT_EQ(exit.out, "ok\n");
    EXPECT_EQ(exit.err, "");
  }
  WriteFile(kFile);
  const Exit exit = GoodExit(RunWithFile({"--check_config"}));
  EXPECT_EQ(exit.code, 2);
  EXPECT_EQ(exit.out, "");
  EXPECT_THAT(exit.err, AllOf(StartsWith("objpoold: listen: must be HOST:PORT, but is \"not an"),
                              HasSubstr("\nobjpoold: shutdown_grace: must be ")));
}

TEST_F(ServerFlags, PrintConfigPrintsWhatConfigReads) {
  WriteFile("pools { name: 'p' labels { label: 'x' } }");
  const std::vector<std::string> flags = {"--workers=2", "--shutdown_grace=0s", "--listen=[::1]:9"};
  const Config config = GoodConfig(RunWithFile(flags));
  for (const char* const flag : {"--print_config", "--print-config"}) {
    std::vector<std::string> with_print = flags;
    with_print.emplace_back(flag);
    WriteFile("pools { name: 'p' labels { label: 'x' } }");
    const Exit exit = GoodExit(RunWithFile(with_print));
    EXPECT_EQ(exit.code, 0);
    WriteFile(exit.out);
    EXPECT_EQ(GoodConfig(RunWithFile({})), config) << exit.out;
  }
}

TEST_F(ServerFlags, AFileNamedJsonIsReadAsSuch) {
  const std::string path = path_ + ".json";
  std::ofstream(path) << R"({"pools": [{"name": "p", "ids": {"count": 1}}]})";
  EXPECT_EQ(GoodConfig(Run({"--config", path})).pools.size(), 1u);
  std::remove(path.c_str());
}

TEST_F(ServerFlags, WithoutAFileItSaysWhatToType) {
  ExpectRefusal(Run({}), "objpoold --config deploy/objpoold.textproto");
  ExpectRefusal(Run({"--config", path_}), path_ + ": cannot be read: No such file or directory");
  ExpectRefusal(Run({"--config", testing::TempDir()}), "cannot be read: Is a directory");
}

TEST_F(ServerFlags, WhatItDoesNotUnderstandIsNamed) {
  WriteFile("pools { name: 'p' ids { count: 1 } }");
  ExpectRefusal(RunWithFile({"--no_such_flag"}), "--no_such_flag");
  ExpectRefusal(RunWithFile({"word"}), "word");
  ExpectRefusal(RunWithFile({"--listen"}), "--listen");
  ExpectRefusal(RunWithFile({"--listen=a:1", "--listen=b:1"}), "--listen");
  ExpectRefusal(RunWithFile({"--reflection=maybe"}), "reflection");
  for (const char* const workers : {"-1", "1025", "many", "1.5", "99999999999999999999", ""}) {
    ExpectRefusal(RunWithFile({std::string("--workers=") + workers}), "workers");
  }
  for (const char* const time : {"-1", "10001", "1ms", ""}) {
    ExpectRefusal(RunWithFile({std::string("--busy_poll_us=") + time}), "busy_poll_us");
  }
  for (const char* const engine : {"http", "H2", ""}) {
    ExpectRefusal(RunWithFile({std::string("--engine=") + engine}), "engine");
  }
  for (const char* const grace : {"5", "-1s", "6m", "soon", ""}) {
    ExpectRefusal(RunWithFile({std::string("--shutdown_grace=") + grace}), "shutdown_grace");
  }
}

TEST_F(ServerFlags, HelpAndVersionNeedNoFile) {
  const Exit help = GoodExit(Run({"--help"}));
  EXPECT_EQ(help.code, 0);
  for (const char* const flag : {"--config",
                                 "--listen",
                                 "--metrics_listen",
                                 "--ready_file",
                                 "--engine",
                                 "--workers",
                                 "--busy_poll_us",
                                 "--policy_file",
                                 "--audit_log",
                                 "--admin",
                                 "--shutdown_grace",
                                 "--insecure_allow_plaintext",
                                 "--tls_cert",
                                 "--tls_key",
                                 "--tls_client_ca",
                                 "--tls_client_cert_required",
                                 "--reflection",
                                 "--check_config",
                                 "--print_config",
                                 "--version",
                                 "Example: objpoold --config"}) {
    EXPECT_THAT(help.out, HasSubstr(flag));
  }
  const Exit version = GoodExit(Run({"--version"}));
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.out, AllOf(StartsWith("objpoold "), EndsWith("\n")));
}

TEST_F(ServerFlags, TheManPageSaysWhatHelpSays) {
  const Exit page = GoodExit(Run({"--man"}));
  EXPECT_EQ(page.code, 0);
  EXPECT_THAT(page.out, StartsWith(".TH OBJPOOLD 8 "));
  for (const char* const words :
       {R"(\fB\-\-listen\fR \fIHOST:PORT\fR)", R"(\fB\-\-workers\fR \fIN\fR)",
        R"(\fB\-\-output\fR \fItext|json\fR)", R"(\fB\-\-reflection\fR
)",
        R"(\fB\-\-help\fR
)",
        "\n.SH SIGNALS\n", "\n.SH EXIT STATUS\n"}) {
    EXPECT_THAT(page.out, HasSubstr(words));
  }
  EXPECT_THAT(page.out, Not(HasSubstr("\\-\\-man")));
  EXPECT_THAT(GoodExit(Run({"--help"})).out, Not(HasSubstr("--man")));
}

TEST_F(ServerFlags, AStateDirIsLookedAtWithoutAConfiguration) {
  const Parsed dump = Run({"--dump-state=/a", "--output=json"});
  ASSERT_TRUE(std::holds_alternative<StateCommand>(dump));
  EXPECT_EQ(std::get<StateCommand>(dump).folder, "/a");
  EXPECT_FALSE(std::get<StateCommand>(dump).verify);
  EXPECT_TRUE(std::get<StateCommand>(dump).json);
  const Parsed verify = Run({"--verify_state", "/b"});
  ASSERT_TRUE(std::holds_alternative<StateCommand>(verify));
  EXPECT_EQ(std::get<StateCommand>(verify).folder, "/b");
  EXPECT_TRUE(std::get<StateCommand>(verify).verify);
  EXPECT_FALSE(std::get<StateCommand>(verify).json);
  ExpectRefusal(Run({"--dump_state=/a", "--verify_state=/a"}), "excludes");
  ExpectRefusal(Run({"--dump_state=/a", "--output=xml"}), "xml not in {text,json}");
}

}  // namespace
}  // namespace objpool::server
