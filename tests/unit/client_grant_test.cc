// Grants that renew themselves, are lost in time by this side's clock, and come back at their end.
#include "client/grant.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/keeper.h"
#include "tests/support/fake_service.h"
#include "tests/support/thread_team.h"
#include "tests/support/wait_until.h"

namespace objpool::client {
namespace {

using ::objpool::testing::FakeError;
using ::objpool::testing::FakeService;
using ::objpool::testing::WaitUntil;

v1::LeaseRequest LeaseOf(Milliseconds ttl, uint32_t count = 1, const std::string& pool = "ids") {
  v1::LeaseRequest request;
  request.set_pool(pool);
  request.set_count(count);
  *request.mutable_ttl() = ProtoDuration(ttl);
  return request;
}

struct Fixture {
  explicit Fixture(uint64_t capacity = 8, Milliseconds timeout = Milliseconds(5000))
      : service(capacity),
        client({.address = service.address(), .timeout = timeout, .own_connection = true}),
        keeper(client) {}
  Grant One(Milliseconds ttl, const OnLost& on_lost = {}) {
    auto leased = keeper.Lease(LeaseOf(ttl), on_lost);
    EXPECT_TRUE(leased.ok()) << leased.error.message;
    return leased.ok() ? std::move(leased.value[0]) : Grant();
  }

  FakeService service;
  Client client;
  Keeper keeper;
};

LeaseClock::time_point EndOf(const Grant& grant) { return LeaseClock::now() + grant.left(); }

constexpr Milliseconds kLong = std::chrono::minutes(10);

TEST(Grant, ComesBackWhenItIsDestroyed) {
  Fixture f;
  {
    const Grant grant = f.One(kLong);
    EXPECT_TRUE(grant.valid());
    EXPECT_FALSE(grant.lost());
    EXPECT_LE(grant.left(), kLong);
    EXPECT_EQ(grant.value().id(), 100);
    EXPECT_EQ(f.service.leased(), 1u);
  }
  WaitUntil([&] { return f.service.leased() == 0; });
  WaitUntil([&] { return f.keeper.size() == 0; });
}

TEST(Grant, MovesAndHoldsOnlyOnce) {
  Fixture f;
  Grant first = f.One(kLong);
  Grant second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is what it is about
  EXPECT_TRUE(second.valid());
  Grant third;
  third = std::move(second);
  EXPECT_TRUE(third.valid());
  third = f.One(kLong);
  WaitUntil([&] { return f.service.leased() == 1; });
  EXPECT_TRUE(third.Return().ok());
  EXPECT_FALSE(third);
  EXPECT_EQ(f.service.leased(), 0u);
}

TEST(Grant, IsRenewedForAsLongAsItLives) {
  Fixture f;
  const Grant grant = f.One(Milliseconds(1200));
  WaitUntil([&] { return f.service.renew_calls() >= 3; });
  EXPECT_TRUE(grant.valid());
}

TEST(Grant, ManyAreRenewedInFewCalls) {
  Fixture f(1000);
  auto leased = f.keeper.Lease(LeaseOf(Milliseconds(2000), 1000));
  ASSERT_EQ(leased.value.size(), 1000u);
  const auto end = EndOf(leased.value[0]);
  WaitUntil([&] { return EndOf(leased.value[999]) > end + Milliseconds(500); });
  EXPECT_EQ(f.service.renew_calls(), 1u);
}

TEST(Grant, IsLostWhenTheServerSaysSo) {
  Fixture f;
  std::atomic<int> told{0};
  std::string reason;
  const Grant grant = f.One(Milliseconds(3000), [&](const Ref&, const Error& why) {
    reason = why.reason;
    ++told;
  });
  ASSERT_TRUE(f.client.RevokeGrant("ids", grant.ref().handle, grant.ref().fence).ok());
  WaitUntil([&] { return told == 1; });
  EXPECT_EQ(reason, "GRANT_RETURNED");
  EXPECT_FALSE(grant.valid());
  EXPECT_EQ(grant.left().count(), 0);
}

TEST(Grant, IsLostByItsOwnClockWhileTheServerSaysNothing) {
  Fixture f;
  std::atomic<int> told{0};
  const auto before = LeaseClock::now();
  const Grant grant = f.One(Milliseconds(300), [&](const Ref&, const Error& why) {
    EXPECT_EQ(why.code, grpc::StatusCode::DEADLINE_EXCEEDED);
    ++told;
  });
  f.service.mute = true;
  WaitUntil([&] { return told == 1; });
  EXPECT_FALSE(grant.valid());
  EXPECT_GE(LeaseClock::now() - before, Milliseconds(300));
  // What comes too late does not bring it back.
  f.service.mute = false;
  WaitUntil([&] { return f.client.GetPool("ids").ok(); });
  EXPECT_FALSE(grant.valid());
  EXPECT_EQ(told, 1);
}

TEST(Grant, CountsFromWhenItsRequestWasSent) {
  Fixture f;
  f.service.lease_takes = Milliseconds(200);
  const auto leased = f.keeper.Lease(LeaseOf(kLong));
  ASSERT_TRUE(leased.ok());
  EXPECT_LE(leased.value[0].left(), kLong - Milliseconds(200));
}

TEST(Grant, AWaitThatTookLongIsMadeUpForByARenewal) {
  Fixture f;
  f.service.lease_takes = Milliseconds(700);
  const Grant grant = f.One(Milliseconds(600));
  EXPECT_TRUE(grant.valid());
  EXPECT_GE(f.service.renew_calls(), 1u);
}

TEST(Grant, OutlivesARestartOfTheServer) {
  std::optional<FakeService> service(std::in_place, 8);
  const std::string address = service->address();
  const Client client({.address = address, .own_connection = true});
  Keeper keeper(client);
  auto leased = keeper.Lease(LeaseOf(Milliseconds(4000)));
  ASSERT_TRUE(leased.ok());
  service.emplace(8, address);
  // It knows nothing of the grant: the same handle and fence once more.
  // The first tries may be of the connection that broke.
  uint64_t fence = 0;
  WaitUntil([&] {
    const auto again = client.Lease(LeaseOf(kLong));
    if (again.ok()) fence = again.value.grants(0).ref().fence();
    return again.ok() || !client.Connect(kLong);
  });
  EXPECT_EQ(fence, leased.value[0].ref().fence);
  const auto end = EndOf(leased.value[0]);
  WaitUntil([&] { return EndOf(leased.value[0]) > end + Milliseconds(500); });
}

TEST(Grant, MayBeDestroyedWhereItsLossIsTold) {
  Fixture f;
  std::atomic<bool> told{false};
  std::optional<Grant> grant;
  grant.emplace(f.One(Milliseconds(1000), [&](const Ref&, const Error&) {
    grant.reset();
    told = true;
  }));
  ASSERT_TRUE(f.client.RevokeGrant("ids", grant->ref().handle, grant->ref().fence).ok());
  WaitUntil([&] { return told.load(); });
  WaitUntil([&] { return f.keeper.size() == 0; });
}

TEST(Grant, ReturnSaysWhatTheServerSaid) {
  Fixture f;
  Grant grant = f.One(kLong);
  const Ref ref = grant.ref();
  f.service.Refuse(FakeError(grpc::StatusCode::UNAVAILABLE, "SHUTTING_DOWN", "not now"));
  EXPECT_EQ(grant.Return().reason, "SHUTTING_DOWN");
  // It goes on by itself.
  f.service.Refuse({});
  WaitUntil([&] { return f.service.leased() == 0; });
}

TEST(Grant, WritesAndReadsItsBuffer) {
  Fixture f;
  auto leased = f.keeper.Lease(LeaseOf(kLong, 1, "buffers"));
  ASSERT_TRUE(leased.ok());
  const Grant& grant = leased.value[0];
  bool given = false;
  const auto written = grant.WriteBuffer(
      8, [&]() -> std::string_view { return std::exchange(given, true) ? "" : "hello"; });
  EXPECT_EQ(written.value.bytes_written(), 5u);
  std::string seen;
  const auto read = grant.ReadBuffer(8, 5, [&](std::string_view bytes) {
    seen += bytes;
    return true;
  });
  EXPECT_TRUE(read.ok()) << read.error.message;
  EXPECT_EQ(seen, "hello");
}

TEST(Keeper, HasNoMoreThanItMay) {
  FakeService service;
  const Client client({.address = service.address(), .own_connection = true});
  Keeper keeper(client, {.max_grants = 3});
  const auto two = keeper.Lease(LeaseOf(kLong, 2));
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(keeper.Lease(LeaseOf(kLong, 2)).error.code, grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(keeper.LeaseOne("ids").ok());
  EXPECT_EQ(service.lease_calls(), 2u);
}

TEST(Keeper, SaysWhatALeaseWasRefusedWith) {
  Fixture f;
  EXPECT_EQ(f.keeper.LeaseOne("nope").error.reason, "POOL_UNKNOWN");
  EXPECT_EQ(f.keeper.size(), 0u);
}

TEST(Keeper, EndsInTimeWithoutItsServer) {
  const auto start = LeaseClock::now();
  {
    Fixture f(8, Milliseconds(500));
    const Grant grant = f.One(kLong);
    f.service.Stop();
  }
  EXPECT_LT(LeaseClock::now() - start, std::chrono::seconds(30));
}

TEST(Keeper, ServesManyThreads) {
  Fixture f(400);  // one for each: destroying a Grant does not wait for the server
  testing::RunTeam(8, [&](uint32_t) {
    for (int i = 0; i < 50; ++i) {
      const Grant grant = f.One(Milliseconds(2000 + i * 10));
      EXPECT_TRUE(grant.valid());
    }
  });
  WaitUntil([&] { return f.service.leased() == 0; });
  EXPECT_EQ(f.service.granted(), 400u);
}

}  // namespace
}  // namespace objpool::client
