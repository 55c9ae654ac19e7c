// Goal: a gate lets through what the policy allows, remembers nothing of a policy that is no more,
// and without one keeps only administration from strangers. Method: calls of made-up clients, by
// one worker and by several while the policy changes.
#include "server/service/gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/service/errors.h"
#include "server/service/typed_handler.h"

namespace objpool::server {
namespace {

using settings::Group;
using settings::Method;
using settings::Policy;

std::shared_ptr<const Policy> Make(std::string_view text) {
  settings::ConfigErrors errors;
  auto policy = settings::ParsePolicy(text, settings::Syntax::kText, "policy", errors);
  EXPECT_TRUE(policy) << text;
  return std::make_shared<const Policy>(*std::move(policy));
}

// The reason of a refusal; empty when there is none.
std::string Refusal(Gate& gate, std::string_view identity, Method method, std::string_view pool,
                    CallInfo* seen = nullptr) {
  CallInfo info{.worker = 0, .now = {}, .peer = identity};
  const auto refusal = gate.Enter(info, {.method = method, .pool = pool});
  if (seen != nullptr) seen->quota = info.quota;
  return refusal ? ReasonOf(*refusal) : "";
}

TEST(Gate, WithoutAPolicyStrangersMayDoAllButAdminister) {
  Gate gate(1, AdminAccess::kLocal, nullptr);
  for (const char* const who : {"127.0.0.1", "::1", "unix", "uid:7"}) {
    EXPECT_EQ(Refusal(gate, who, Method::kLease, "p"), "") << who;
    EXPECT_EQ(Refusal(gate, who, Method::kRevokeGrant, "p"), "") << who;
  }
  for (const char* const who : {"10.0.0.1", "2001:db8::/64", "spiffe://a/b", "unknown"}) {
    EXPECT_EQ(Refusal(gate, who, Method::kLease, "p"), "") << who;
    EXPECT_EQ(Refusal(gate, who, Method::kRevokeGrant, "p"), "ADMIN_DENIED") << who;
  }
  EXPECT_EQ(gate.denied(Group::kAdmin), 4u);
  EXPECT_EQ(gate.denied(Group::kLease), 0u);
}

TEST(Gate, AdministrationCanBeForEverybodyOrNobody) {
  Gate open(1, AdminAccess::kAll, nullptr);
  EXPECT_EQ(Refusal(open, "10.0.0.1", Method::kDeletePool, "p"), "");
  Gate closed(1, AdminAccess::kOff, nullptr);
  EXPECT_EQ(Refusal(closed, "127.0.0.1", Method::kDeletePool, "p"), "ADMIN_DENIED");
  closed.Use(Make(R"(rules { identities: "*" methods: "*" })"));
  EXPECT_EQ(Refusal(closed, "127.0.0.1", Method::kDeletePool, "p"), "ADMIN_DENIED");
  EXPECT_EQ(Refusal(closed, "127.0.0.1", Method::kGetPool, "p"), "");
}

TEST(Gate, WithAPolicyItDecidesForThisHostToo) {
  Gate gate(1, AdminAccess::kAll, nullptr);
  gate.Use(Make(R"(rules { identities: "10.0.0.0/8" methods: "admin" pools: "p*" })"));
  EXPECT_EQ(Refusal(gate, "10.0.0.1", Method::kDeletePool, "pools/p1"), "");
  EXPECT_EQ(Refusal(gate, "10.0.0.1", Method::kDeletePool, "q"), "POLICY_DENIED");
  EXPECT_EQ(Refusal(gate, "127.0.0.1", Method::kDeletePool, "p1"), "POLICY_DENIED");
  EXPECT_EQ(Refusal(gate, "127.0.0.1", Method::kLease, "p1"), "POLICY_DENIED");
  gate.Use(nullptr);
  EXPECT_EQ(Refusal(gate, "127.0.0.1", Method::kLease, "p1"), "");
}

TEST(Gate, ARefusalNamesWhoAndWhat) {
  Gate gate(1, AdminAccess::kLocal, nullptr);
  gate.Use(Make(""));
  CallInfo info{.worker = 0, .now = {}, .peer = "dns:a.b"};
  const auto refusal = gate.Enter(info, {.method = Method::kRenew, .pool = "pools/ports"});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code(), static_cast<int>(rpc::Code::kPermissionDenied));
  EXPECT_EQ(refusal->message(), "dns:a.b may not call Renew of pool \"ports\"");
  google::rpc::ErrorInfo details;
  ASSERT_TRUE(refusal->details(0).UnpackTo(&details));
  EXPECT_EQ(details.metadata().at("identity"), "dns:a.b");
  EXPECT_EQ(details.metadata().at("method"), "Renew");
  EXPECT_EQ(details.metadata().at("pool"), "ports");
}

TEST(Gate, TheQuotaIsThatOfTheRule) {
  Gate gate(1, AdminAccess::kLocal, nullptr);
  gate.Use(Make(R"(rules { identities: "uid:1" methods: "*" quota { handles: 3 } }
                   rules { identities: "x" methods: "*" })"));
  CallInfo seen{.worker = 0, .now = {}};
  EXPECT_EQ(Refusal(gate, "x", Method::kLease, "p", &seen), "");
  EXPECT_FALSE(seen.quota);
  gate.Use(Make(R"(rules { identities: "x" methods: "*" quota { handles: 3 } })"));
  EXPECT_EQ(Refusal(gate, "x", Method::kLease, "p", &seen), "");
  EXPECT_EQ(seen.quota->handles, 3u);
}

// More questions than the table has room for, so that most places are taken by others meanwhile.
TEST(Gate, RemembersNoAnswerToAnotherQuestion) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto policy = Make(R"(
    rules { identities: "spiffe://x/*1" methods: "lease" methods: "GetPool" pools: "*1" }
    rules { identities: "spiffe://x/2*" methods: "read" pools: "p2*" })");
  Gate gate(1, AdminAccess::kLocal, nullptr);
  gate.Use(policy);
  int allowed = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string who = "spiffe://x/" + std::to_string(random() % 40);
    const std::string pool = "p" + std::to_string(random() % 40);
    const auto method = static_cast<Method>(random() % settings::kMethods);
    const bool expected = policy->Decide(who, method, pool) != nullptr;
    allowed += expected ? 1 : 0;
    ASSERT_EQ(Refusal(gate, who, method, pool).empty(), expected) << who << " " << pool;
  }
  EXPECT_GT(allowed, 1000);
}

TEST(Gate, WorkersGoOnWhileThePolicyChanges) {
  constexpr uint32_t kWorkers = 3;
  Gate gate(kWorkers, AdminAccess::kLocal, nullptr);
  const auto one = Make(R"(rules { identities: "at times" methods: "Lease" }
                           rules { identities: "always" methods: "*" })");
  const auto other = Make(R"(rules { identities: "always" methods: "*" })");
  gate.Use(one);
  std::atomic<bool> over{false};
  std::atomic<uint64_t> wrong{0};
  std::atomic<uint64_t> rounds{0};
  std::vector<std::thread> workers;
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([&, worker] {
      while (!over.load()) {
        for (const char* const who : {"always", "never", "at times"}) {
          CallInfo info{.worker = worker, .now = {}, .peer = who};
          const bool refused =
              gate.Enter(info, {.method = Method::kLease, .pool = "p"}).has_value();
          if (who[0] != 'a' ? !refused : (who[1] == 'l' && refused)) wrong.fetch_add(1);
        }
        rounds.fetch_add(1);
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    gate.Use(i % 2 == 0 ? other : one);
    // Until each has gone by it, in the mean.
    for (const uint64_t at = rounds.load(); rounds.load() < at + kWorkers;) {
      std::this_thread::yield();
    }
  }
  over.store(true);
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_GE(gate.denied(Group::kLease), rounds.load());
}

}  // namespace
}  // namespace objpool::server
