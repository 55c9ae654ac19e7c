// The commands of objpoolctl for those who hold nothing themselves: grants, check-fence, revoke.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/run_ctl.h"

namespace objpool::client {
namespace {

using ::google::protobuf::Struct;

TEST_F(Ctl, GrantsAreListedPageByPageWithoutTheirKeys) {
  EXPECT_EQ(RunWith({"grants", "ids"}).out, "REF  VALUE  HELD  REMAINING  HOLDER\n");
  RunWith({"lease", "ids", "--count", "3", "--holder", "a\u00e9"});
  const Ran all = RunWith({"grants", "pools/ids"});
  EXPECT_EQ(all.exit, Exit::kOk) << all.err;
  // A page of two, then one of the third.
  EXPECT_EQ(all.out,
            "REF      VALUE  HELD  REMAINING  HOLDER\n"
            "ids/0/1    100   18s        12s     a\u00e9\n"
            "ids/1/2    101   18s        12s     a\u00e9\n"
            "ids/2/3    102   18s        12s     a\u00e9\n");
  EXPECT_EQ(RunWith({"grants", "ids", "--holder", "a"}).out.find("ids/"), std::string::npos);
  EXPECT_EQ(RunWith({"grants", "ids", "--holder", ""}).out.find("ids/"), std::string::npos);
  EXPECT_EQ(RunWith({"grants", "ids", "--held-at-least", "19s"}).out.find("ids/"),
            std::string::npos);
  EXPECT_EQ(RunWith({"grants", "ids", "--holder", "a\u00e9", "--held-at-least", "18s"}).out,
            all.out);
  EXPECT_EQ(RunWith({"grants", "nope"}).exit, Exit::kRefused);

  const Struct document = Json(RunWith({"grants", "ids", "--output", "json"}).out);
  EXPECT_TRUE(document.fields().at("complete").bool_value());
  const auto& grants = document.fields().at("grants").list_value();
  ASSERT_EQ(grants.values_size(), 3);
  const auto& grant = grants.values(2).struct_value().fields();
  EXPECT_EQ(grant.at("ref").string_value(), "ids/2/3");
  EXPECT_EQ(grant.at("id").number_value(), 102);
  EXPECT_EQ(grant.at("fence").string_value(), "3");
  EXPECT_EQ(grant.at("held_ms").number_value(), 18'000);
  EXPECT_EQ(grant.at("holder").string_value(), "a\u00e9");
  EXPECT_FALSE(grant.contains("key"));
}

TEST_F(Ctl, AFenceIsCheckedAndTheExitCodeSaysWhetherItRuns) {
  const std::string ref = LeaseOne();
  const Ran running = RunWith({"check-fence", "ids/0/1"});
  EXPECT_EQ(running.exit, Exit::kOk) << running.err;
  EXPECT_EQ(running.out,
            "grant      ids/0/1\nstate      RUNNING\nremaining  12s\n"
            "ends       2027-01-15T08:00:00Z\nnewest     1\n");
  EXPECT_EQ(RunWith({"check-fence", ref.c_str()}).out, running.out) << "the key is not needed";
  RunWith({"return", ref.c_str()});
  const Ran over = RunWith({"check-fence", "pools/ids/0/1"});
  EXPECT_EQ(over.exit, Exit::kRefused);
  EXPECT_EQ(over.err, "");
  EXPECT_EQ(over.out, "grant      ids/0/1\nstate      RETURNED\nended ago  7ms\nnewest     none\n");
  const Ran never = RunWith({"check-fence", "ids/0/99", "--output", "json"});
  EXPECT_EQ(never.exit, Exit::kRefused);
  const Struct document = Json(never.out);
  EXPECT_EQ(document.fields().at("state").string_value(), "NEVER_GIVEN");
  EXPECT_TRUE(document.fields().at("current_fence").has_null_value());
}

TEST_F(Ctl, RevokeEndsTheGrantsThatItIsShown) {
  RunWith({"lease", "ids", "--count", "3"});
  const Ran run = RunWith({"revoke", "ids/1/2", "-"}, "ids/2/3\n");
  EXPECT_EQ(run.exit, Exit::kOk) << run.err;
  EXPECT_EQ(run.out, "ids/1/2\trevoked\nids/2/3\trevoked\n");
  EXPECT_EQ(service_.leased(), 1u);
  const Ran again = RunWith({"revoke", "ids/1/2", "ids/0/9"});
  EXPECT_EQ(again.exit, Exit::kRefused);
  EXPECT_EQ(again.out, "ids/1/2\talready revoked\n");
  EXPECT_NE(again.err.find("ids/0/9: no such grant (NO_GRANT)"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find("1 of 2 refs not revoked"), std::string::npos) << again.err;
  EXPECT_EQ(service_.leased(), 1u);

  const Ran json = RunWith({"revoke", "ids/0/1/000000000000feec", "--output", "json"});
  EXPECT_EQ(json.exit, Exit::kOk) << json.err;
  EXPECT_EQ(json.out.find("feec"), std::string::npos) << "a key goes nowhere";
  const Struct document = Json(json.out);
  const Struct& result = document.fields().at("results").list_value().values(0).struct_value();
  EXPECT_EQ(result.fields().at("ref").string_value(), "ids/0/1");
  EXPECT_FALSE(result.fields().at("already_revoked").bool_value());
  EXPECT_EQ(service_.leased(), 0u);
}

}  // namespace
}  // namespace objpool::client
