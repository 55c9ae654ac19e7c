// objpoolctl in this process, against a fake server.
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "client/ref.h"
#include "tests/support/run_ctl.h"

namespace objpool::client {
namespace {

using ::google::protobuf::Struct;
using ::objpool::testing::FakeError;

TEST_F(Ctl, LeaseWritesValueRefAndTtl) {
  const Ran ids = RunWith({"lease", "ids", "--count", "2", "--ttl", "90s", "--holder", "me"});
  EXPECT_EQ(ids.exit, Exit::kOk) << ids.err;
  EXPECT_EQ(ids.out,
            "100\tids/0/1/000000000000feec\t90s\n"
            "101\tids/1/2/000000000000feef\t90s\n");
  EXPECT_EQ(service_.last_holder(), "me");
  EXPECT_EQ(RunWith({"lease", "labels"}).out, "seat-2\tlabels/2/3/000000000000feee\t30s\n");
  EXPECT_EQ(RunWith({"lease", "pools/buffers"}).out,
            "buffer 4096 bytes on node 1\tbuffers/3/4/000000000000fee9\t30s\n");
  EXPECT_NE(service_.last_holder().find('@'), std::string::npos);
}

TEST_F(Ctl, LeaseWritesJson) {
  const Struct document = Json(RunWith({"lease", "buffers", "--output=json"}).out);
  EXPECT_EQ(document.fields().at("ttl_ms").number_value(), 30'000);
  EXPECT_EQ(document.fields().at("expire_time").string_value(), "2027-01-15T08:00:00Z");
  const Struct& grant = document.fields().at("grants").list_value().values(0).struct_value();
  EXPECT_EQ(grant.fields().at("buffer").struct_value().fields().at("size_bytes").number_value(),
            4096);
  EXPECT_EQ(grant.fields().at("ref").string_value(), "buffers/0/1/000000000000feec");
  EXPECT_EQ(grant.fields().at("fence").string_value(), "1");
  EXPECT_EQ(grant.fields().at("key").string_value(), "000000000000feec");
}

TEST_F(Ctl, WhatLeaseWroteCanBeRenewedAndReturned) {
  const Ran lease = RunWith({"lease", "ids", "--count", "3"});
  const Ran renew = RunWith({"renew", "-", "--ttl", "2m"}, lease.out);
  EXPECT_EQ(renew.exit, Exit::kOk) << renew.err;
  EXPECT_NE(renew.out.find("renewed\t2m"), std::string::npos);
  const Ran back = RunWith({"return", "-"}, lease.out);
  EXPECT_EQ(back.exit, Exit::kOk) << back.err;
  EXPECT_EQ(service_.leased(), 0u);
  EXPECT_NE(RunWith({"return", "-"}, lease.out).out.find("already returned"), std::string::npos);
}

TEST_F(Ctl, ResultsKeepTheOrderOfRefsOfSeveralPools) {
  const std::string first = LeaseOne("labels");
  const std::string second = LeaseOne("ids");
  const std::string third = LeaseOne("labels");
  const Ran back = RunWith({"return", first.c_str(), second.c_str(), third.c_str()});
  EXPECT_EQ(back.out, first + "\treturned\n" + second + "\treturned\n" + third + "\treturned\n");
}

TEST_F(Ctl, AFailedRefIsToldWithoutItsKey) {
  const std::string good = LeaseOne();
  std::string wrong = LeaseOne();
  wrong.replace(wrong.size() - 4, 4, "beef");
  const Ran back = RunWith({"return", good.c_str(), wrong.c_str()});
  EXPECT_EQ(back.exit, Exit::kRefused);
  EXPECT_EQ(back.out, good + "\treturned\n");
  EXPECT_NE(back.err.find("ids/1/2: the key does not fit (NOT_HOLDER)"), std::string::npos);
  EXPECT_NE(back.err.find("1 of 2 refs not returned"), std::string::npos);
  EXPECT_EQ(back.err.find("beef"), std::string::npos);

  const Ran json = RunWith({"return", wrong.c_str(), "--output", "json"});
  EXPECT_EQ(json.exit, Exit::kRefused);
  const Struct document = Json(json.out);
  EXPECT_EQ(document.fields().at("failed").number_value(), 1);
  const Struct& result = document.fields().at("results").list_value().values(0).struct_value();
  EXPECT_FALSE(result.fields().at("ok").bool_value());
  EXPECT_EQ(result.fields().at("error").struct_value().fields().at("kind").string_value(),
            "NOT_HOLDER");
}

TEST_F(Ctl, RefsAreBounded) {
  std::string input;
  for (int i = 0; i < 1025; ++i) input += "ids/0/1/0000000000000001\n";
  const Ran many = RunWith({"return", "-"}, input);
  EXPECT_EQ(many.exit, Exit::kUsage);
  EXPECT_NE(many.err.find("at most 1024 refs"), std::string::npos);
  const Ran endless = RunWith({"return", "-"}, std::string(1 << 20, 'x'));
  EXPECT_EQ(endless.exit, Exit::kUsage);
  EXPECT_NE(endless.err.find("longer than"), std::string::npos);
  EXPECT_EQ(RunWith({"return", "-"}, "\n\n").exit, Exit::kUsage);
}

TEST_F(Ctl, AnEmptyPoolHasItsOwnExitCode) {
  const Ran run = RunWith({"lease", "ids", "--count", "9"});
  EXPECT_EQ(run.exit, Exit::kExhausted);
  EXPECT_EQ(run.err, "objpoolctl: no free handle (POOL_EXHAUSTED); try again in 2ms\n");
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(RunWith({"lease", "ids", "--count", "9", "--min-count", "1"}).exit, Exit::kOk);
}

TEST_F(Ctl, TellsWhichFieldTheServerRefused) {
  service_.Refuse(FakeError(grpc::StatusCode::INVALID_ARGUMENT, "BAD_FIELD", "ttl is too long"));
  const Ran run = RunWith({"lease", "ids"});
  EXPECT_EQ(run.exit, Exit::kRefused);
  EXPECT_EQ(run.err, "objpoolctl: ttl is too long (BAD_FIELD); ttl: at most 1h\n");
}

TEST_F(Ctl, AServerThatIsNotThereIsToldInOneLine) {
  service_.Stop();
  for (const char* command : {"pools", "probe", "bench"}) {
    const Ran run = RunWith({command});
    EXPECT_EQ(run.exit, Exit::kUnreachable) << command;
    EXPECT_EQ(run.err, "objpoolctl: cannot reach " + service_.address() +
                           ": connection refused; is objpoold running? (make run starts one)\n");
    EXPECT_EQ(run.out, "");
  }
  for (const char* command : {"return", "revoke"}) {
    const Ran back = RunWith({command, "ids/0/1/0000000000000001", "ids/1/1/0000000000000001"});
    EXPECT_EQ(back.exit, Exit::kUnreachable);
    EXPECT_EQ(back.err.find('\n'), back.err.size() - 1);
  }
}

TEST_F(Ctl, AServerThatDoesNotAnswerIsToldInTime) {
  service_.mute = true;
  const Ran run = RunWith({"lease", "ids", "--timeout", "300ms"});
  EXPECT_EQ(run.exit, Exit::kUnreachable);
  EXPECT_NE(run.err.find("no answer from"), std::string::npos) << run.err;
}

TEST_F(Ctl, UsageErrorsNameTheOptionItsLimitAndTheValue) {
  struct Case {
    std::vector<const char*> arguments;
    const char* said;
  };
  const std::vector<Case> cases = {
      {{}, "a command is required"},
      {{"nope"}, "nope"},
      {{"lease"}, "POOL is required"},
      {{"lease", "Ids"}, "got \"Ids\""},
      {{"lease", "ids", "--count", "0"}, "--count: Value 0 not in range 1 to 1024"},
      {{"lease", "ids", "--count", "1025"}, "1 to 1024"},
      {{"lease", "ids", "--count", "2", "--min-count", "3"}, "--min-count: must be from 1 to"},
      {{"lease", "ids", "--ttl", "30"}, "--ttl: must be a whole number with a unit"},
      {{"lease", "ids", "--ttl", "8d"}, "--ttl: must be from 1ms to 7d; got 8d"},
      {{"lease", "ids", "--holder", "a\nb"}, "--holder: UTF-8 without control"},
      {{"lease", "ids", "--holder", "a\xff"}, "--holder: UTF-8"},
      {{"grant", "ids", "16777216"}, "0 to 16777215"},
      {{"grants"}, "POOL is required"},
      {{"grants", "ids", "--holder", "a\nb"}, "--holder: UTF-8 without control"},
      {{"grants", "ids", "--held-at-least", "3651d"}, "must be from 0ms to 3650d; got 3651d"},
      {{"check-fence"}, "GRANT is required"},
      {{"check-fence", "ids/1"}, "3 parts"},
      {{"revoke", "ids/1/x"}, "fence must be"},
      {{"return", "ids/1/2"}, "4 parts"},
      {{"return", "ids/1/0/0000000000000001"}, "fence must be"},
      {{"pools", "--output", "xml"}, "--output: xml not in {text,json}"},
      {{"pools", "--server", ""}, "--server"},
      {{"pools", "--server", "127.0.0.1:65536"}, "port must be from 0 to 65535; got 65536"},
      {{"probe", "--timeout", "0ms"}, "--timeout: must be from 1ms"},
      {{"state"}, "A subcommand is required"},
      {{"state", "dump"}, "FOLDER is required"},
      {{"bench", "--clients", "513"}, "--clients: Value 513 not in range 1 to 512"},
      {{"bench", "--count", "5", "--duration", "1s"}, "excludes"},
      {{"bench", "--rate", "5", "--hold-dist", "gauss"}, "--hold-dist: gauss not in {fixed"},
      {{"bench", "--rate", "5", "--renews", "1001"}, "--renews: Value 1001 not in range 0 to"},
      {{"bench", "--renews", "1"}, "--renews needs --rate, --scenario or --find-max"},
      {{"bench", "--find-max", "0"}, "--find-max: Value 0 not in range 1.0"},
      {{"bench", "--find-max", "9", "--scenario", "burst"}, "excludes"},
      {{"bench", "--scenario", "nope"}, "--scenario: nope not in {avalanche,burst"},
      {{"bench", "--scenario", "burst", "--clients", "2"}, "excludes"},
  };
  for (const Case& wrong : cases) {
    const Ran run = RunWith(wrong.arguments);
    EXPECT_EQ(run.exit, Exit::kUsage) << run.err;
    EXPECT_NE(run.err.find(wrong.said), std::string::npos) << wrong.said << " in: " << run.err;
    EXPECT_EQ(run.out, "");
  }
  EXPECT_EQ(service_.granted(), 0u);
}

TEST_F(Ctl, EveryCommandHasHelpWithAnExample) {
  EXPECT_NE(RunWith({"--help"}).out.find("Exit codes: 0 ok"), std::string::npos);
  for (const char* command :
       {"lease",       "return", "renew",   "read",   "write", "grant",  "grants",
        "check-fence", "revoke", "pools",   "probe",  "state", "policy", "bench",
        "session",     "pool",   "handles", "handle", "watch", "top",    "completion"}) {
    const Ran run = RunWith({command, "--help"});
    EXPECT_EQ(run.exit, Exit::kOk) << command;
    EXPECT_NE(run.out.find("Example:\n  "), std::string::npos) << command;
  }
}

TEST_F(Ctl, SharedOptionsGoBeforeAndAfterAndBeatTheEnvironment) {
  const std::string address = service_.address();
  ::setenv("OBJPOOL_SERVER", "127.0.0.1:1", 1);
  EXPECT_EQ(RunWith({"pools"}).exit, Exit::kUnreachable);
  EXPECT_EQ(RunWith({"--server", address.c_str(), "pools"}).exit, Exit::kOk);
  EXPECT_EQ(RunWith({"pools", "--server", address.c_str()}).exit, Exit::kOk);
}

TEST_F(Ctl, PoolsAreListedOneByOneAndWithTheirSlots) {
  const Ran all = RunWith({"pools"});
  EXPECT_EQ(all.exit, Exit::kOk) << all.err;
  EXPECT_EQ(all.out,
            "NAME        KIND  CAPACITY  FREE  LEASED  TTL   STATE\n"
            "buffers  buffers         8     8       0  30s  ACTIVE\n"
            "ids          ids         8     8       0  30s  ACTIVE\n"
            "labels    labels         8     8       0  30s  ACTIVE\n");
  const Ran one = RunWith({"pools", "ids"});
  EXPECT_NE(one.out.find("ids from 100"), std::string::npos);
  EXPECT_NE(one.out.find("WORKER  CPU  NODE  OCCUPANCY  LOCAL_HITS  DEPOT_HITS  STEALS  MISSES"),
            std::string::npos);
  const Struct document = Json(RunWith({"pools", "ids", "--output", "json"}).out);
  EXPECT_EQ(document.fields().at("slots").list_value().values_size(), 1);
  EXPECT_EQ(RunWith({"pools", "nope"}).exit, Exit::kRefused);
}

TEST_F(Ctl, AGrantCanBeLookedAtWithoutItsKey) {
  RunWith({"lease", "ids", "--holder", "someone"});
  const Ran run = RunWith({"grant", "ids", "0"});
  EXPECT_EQ(run.exit, Exit::kOk) << run.err;
  EXPECT_NE(run.out.find("holder     someone"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("remaining  12s"), std::string::npos);
  EXPECT_EQ(run.out.find("feec"), std::string::npos);
  EXPECT_EQ(RunWith({"grant", "ids", "5"}).exit, Exit::kRefused);
}

TEST_F(Ctl, ProbeIsQuietAndExitsByHealth) {
  const Ran good = RunWith({"probe"});
  EXPECT_EQ(good.exit, Exit::kOk);
  EXPECT_EQ(good.out + good.err, "SERVING\n");
  service_.serving = false;
  const Ran bad = RunWith({"probe"});
  EXPECT_EQ(bad.exit, Exit::kRefused);
  EXPECT_EQ(bad.out, "NOT_SERVING\n");
  EXPECT_EQ(RunWith({"probe", "--service", "nope"}).exit, Exit::kRefused);
}

TEST_F(Ctl, AGrantThatCouldNotBeWrittenIsReturned) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  out.setstate(std::ios::badbit);
  Console console{.in = in, .out = out, .err = err};
  const std::vector<const char*> arguments = {"objpoolctl", "lease", "ids", "--count", "4"};
  EXPECT_EQ(RunCtl(5, arguments.data(), console), Exit::kRefused);
  EXPECT_EQ(service_.granted(), 4u);
  EXPECT_EQ(service_.leased(), 0u);
}

TEST_F(Ctl, BenchCountsExactlyWhatItDid) {
  const Ran run = RunWith({"bench", "--pool", "ids", "--count", "200", "--clients", "4",
                           "--connections", "2", "--batch", "2", "--output", "json"});
  EXPECT_EQ(run.exit, Exit::kOk) << run.err;
  EXPECT_EQ(run.err, "");
  const Struct document = Json(run.out);
  const auto& fields = document.fields();
  EXPECT_EQ(fields.at("schema").string_value(), "objpool.bench.v1");
  EXPECT_EQ(fields.at("cycles").number_value(), 200);
  EXPECT_EQ(fields.at("handles").struct_value().fields().at("leased").number_value(), 400);
  EXPECT_EQ(fields.at("handles").struct_value().fields().at("not_returned").number_value(), 0);
  const Struct& delta = fields.at("server_delta").struct_value();
  EXPECT_EQ(delta.fields().at("granted").number_value(), 400);
  EXPECT_EQ(delta.fields().at("returned").number_value(), 400);
  const Struct& latency = fields.at("latency_us").struct_value();
  EXPECT_EQ(latency.fields().at("lease").struct_value().fields().at("count").number_value(), 200);
  EXPECT_EQ(service_.leased(), 0u);
}

TEST_F(Ctl, BenchHidesNoErrors) {
  service_.Refuse(FakeError(grpc::StatusCode::INTERNAL, "BROKEN", "it broke"));
  const Ran run = RunWith({"bench", "--count", "3", "--clients", "1", "--output", "json"});
  EXPECT_EQ(run.exit, Exit::kRefused);
  EXPECT_NE(run.err.find("it broke (BROKEN)"), std::string::npos);
  const Struct document = Json(run.out);
  const Struct& calls = document.fields().at("calls").struct_value();
  EXPECT_EQ(calls.fields().at("failed").number_value(), 3);
  EXPECT_EQ(calls.fields().at("errors").struct_value().fields().at("BROKEN").number_value(), 3);
}

TEST_F(Ctl, BenchOnAPoolThatIsTooSmallSaysSo) {
  const Ran run = RunWith({"bench", "--pool", "ids", "--count", "3", "--batch", "9"});
  EXPECT_EQ(run.exit, Exit::kExhausted);
  EXPECT_NE(run.out.find("3 exhausted"), std::string::npos) << run.out;
}

TEST_F(Ctl, BenchRunsForItsTime) {
  const Ran run = RunWith({"bench", "--duration", "100ms", "--warmup", "20ms", "--hold", "1ms"});
  EXPECT_EQ(run.exit, Exit::kOk) << run.err << run.out;
  EXPECT_NE(run.out.find("cycles/s"), std::string::npos);
  EXPECT_NE(run.out.find(" 0 not returned"), std::string::npos) << run.out;
  EXPECT_EQ(service_.leased(), 0u);
}

}  // namespace
}  // namespace objpool::client
