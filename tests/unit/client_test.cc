#include "client/client.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/fake_service.h"
#include "tests/support/thread_team.h"

namespace objpool::client {
namespace {

using ::objpool::testing::FakeService;

Client ClientOf(const std::string& address, Milliseconds timeout = Milliseconds(10'000)) {
  return Client({.address = address, .timeout = timeout, .own_connection = true});
}

// A bound port that nobody listens on (no other process can take it meanwhile), or one that takes
// connections and never says a word.
class DeadPort {
 public:
  explicit DeadPort(bool accepts) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    if (accepts) {
      EXPECT_EQ(::listen(socket_, 4), 0);
    }
    port_ = ntohs(address.sin_port);
  }
  ~DeadPort() { ::close(socket_); }
  DeadPort(const DeadPort&) = delete;
  DeadPort& operator=(const DeadPort&) = delete;
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int socket_;
  uint16_t port_ = 0;
};

std::vector<Ref> LeaseSome(const Client& client, uint32_t count) {
  v1::LeaseRequest request;
  request.set_pool("ids");
  request.set_count(count);
  const auto leased = client.Lease(request);
  EXPECT_TRUE(leased.ok()) << leased.error.message;
  std::vector<Ref> refs;
  for (const auto& grant : leased.value.grants()) refs.push_back(RefOf("ids", grant.ref()));
  return refs;
}

TEST(Client, LeasesRenewsAndReturns) {
  FakeService service;
  const Client client = ClientOf(service.address());
  const std::vector<Ref> refs = LeaseSome(client, 3);
  ASSERT_EQ(refs.size(), 3u);
  EXPECT_EQ(service.leased(), 3u);

  const BatchResult renewed = client.Renew("ids", refs, Milliseconds(1500));
  ASSERT_EQ(renewed.items.size(), 3u);
  for (const ItemResult& item : renewed.items) EXPECT_TRUE(item.error.ok());
  EXPECT_EQ(renewed.ttl, Milliseconds(1500));

  const BatchResult returned = client.Return("ids", refs);
  ASSERT_EQ(returned.items.size(), 3u);
  for (const ItemResult& item : returned.items) EXPECT_TRUE(item.error.ok());
  EXPECT_EQ(service.leased(), 0u);
  const BatchResult again = client.Return("ids", {refs.data(), 1});
  EXPECT_TRUE(again.items[0].already_returned);
}

TEST(Client, AnItemThatFailsSaysWhyAndLeavesTheOthersAlone) {
  FakeService service;
  const Client client = ClientOf(service.address());
  std::vector<Ref> refs = LeaseSome(client, 2);
  refs[0].key ^= 1;
  const BatchResult returned = client.Return("ids", refs);
  EXPECT_EQ(returned.items[0].error.reason, "NOT_HOLDER");
  EXPECT_TRUE(returned.items[1].error.ok());
  // A lone item's error comes as the error of the call, and looks the same here.
  const BatchResult lone = client.Return("ids", {refs.data(), 1});
  ASSERT_EQ(lone.items.size(), 1u);
  EXPECT_EQ(lone.items[0].error.reason, "NOT_HOLDER");
}

TEST(Client, SeesAnEmptyPool) {
  FakeService service(2);
  const Client client = ClientOf(service.address());
  v1::LeaseRequest request;
  request.set_pool("ids");
  request.set_count(3);
  const auto leased = client.Lease(request);
  EXPECT_EQ(leased.error.reason, "POOL_EXHAUSTED");
  EXPECT_EQ(leased.error.retry_after, Milliseconds(2));
}

TEST(Client, TurnsThePagesOfPools) {
  FakeService service;
  const Client client = ClientOf(service.address());
  const auto pools = client.ListPools();
  ASSERT_TRUE(pools.ok()) << pools.error.message;
  ASSERT_EQ(pools.value.size(), 3u);
  EXPECT_EQ(pools.value[2].name(), "pools/labels");
  EXPECT_EQ(client.GetPool("ids").value.capacity(), 8u);
  EXPECT_EQ(client.GetPoolStats("ids").value.engine(), "fake");
  EXPECT_EQ(client.GetPool("nope").error.reason, "POOL_UNKNOWN");
}

TEST(Client, LooksAtAGrantAndAtHealth) {
  FakeService service;
  const Client client = ClientOf(service.address());
  const std::vector<Ref> refs = LeaseSome(client, 1);
  const auto grant = client.GetGrant("ids", refs.at(0).handle);
  ASSERT_TRUE(grant.ok());
  EXPECT_EQ(grant.value.ref().key(), 0u);
  EXPECT_EQ(client.GetGrant("ids", 7).error.reason, "NO_GRANT");
  using Response = grpc::health::v1::HealthCheckResponse;
  EXPECT_EQ(client.Check("").value, Response::SERVING);
  EXPECT_EQ(client.Check("nope").error.code, grpc::StatusCode::NOT_FOUND);
}

TEST(Client, ChecksListsAndRevokesGrantsOfOthers) {
  FakeService service;
  const Client client = ClientOf(service.address());
  const std::vector<Ref> refs = LeaseSome(client, 3);
  const auto running = client.CheckFence("ids", refs[1].handle, refs[1].fence);
  ASSERT_TRUE(running.ok()) << running.error.message;
  EXPECT_EQ(running.value.state(), v1::FENCE_STATE_RUNNING);
  EXPECT_EQ(DurationOf(running.value.remaining()), Milliseconds(12'000));
  EXPECT_EQ(client.CheckFence("ids", 0, 99).value.state(), v1::FENCE_STATE_NEVER_GIVEN);
  EXPECT_EQ(client.CheckFence("nope", 0, 1).error.reason, "POOL_UNKNOWN");

  v1::ListGrantsRequest request;
  request.set_pool("ids");
  const auto page = client.ListGrants(request);
  ASSERT_TRUE(page.ok()) << page.error.message;
  EXPECT_EQ(page.value.grants_size(), 2);
  request.set_page_token(page.value.next_page_token());
  EXPECT_EQ(client.ListGrants(request).value.grants_size(), 1);

  const auto revoked = client.RevokeGrant("ids", refs[1].handle, refs[1].fence);
  ASSERT_TRUE(revoked.ok()) << revoked.error.message;
  EXPECT_FALSE(revoked.value.already_revoked());
  EXPECT_EQ(service.leased(), 2u);
  EXPECT_TRUE(client.RevokeGrant("ids", refs[1].handle, refs[1].fence).value.already_revoked());
  EXPECT_EQ(client.RevokeGrant("ids", 0, 99).error.reason, "NO_GRANT");
}

TEST(Client, AServerThatIsNotThereIsToldAtOnce) {
  const DeadPort port(false);
  const Client client = ClientOf(port.address(), std::chrono::minutes(2));
  const auto start = std::chrono::steady_clock::now();
  const Error error = client.Check("").error;
  EXPECT_EQ(error.origin, Error::Origin::kUnreachable);
  EXPECT_EQ(error.message, "connection refused");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(1));
}

TEST(Client, AServerThatOnlyTakesConnectionsIsUnreachableInTime) {
  const DeadPort port(true);
  const Error error = ClientOf(port.address(), Milliseconds(200)).Check("").error;
  EXPECT_EQ(error.origin, Error::Origin::kUnreachable);
}

TEST(Client, FindsAServerThatComesLater) {
  FakeService first;
  const std::string address = first.address();
  const Client client = ClientOf(address);
  EXPECT_TRUE(client.Check("").ok());
  first.Stop();
  while (client.Check("").ok()) {
  }
  EXPECT_FALSE(client.Connect(Milliseconds(50)));
  const FakeService second(8, address);
  EXPECT_TRUE(client.Connect(std::chrono::minutes(1)));
  EXPECT_TRUE(client.Check("").ok());
}

TEST(Client, ACallWithoutAnswerEndsInTime) {
  FakeService service;
  const Client client = ClientOf(service.address(), Milliseconds(1000));
  ASSERT_TRUE(client.Check("").ok());
  service.mute = true;
  v1::LeaseRequest request;
  request.set_pool("ids");
  EXPECT_EQ(client.Lease(request).error.origin, Error::Origin::kNoAnswer);
}

TEST(Client, ServesManyThreads) {
  FakeService service(64);
  const Client client = ClientOf(service.address());
  testing::RunTeam(4, [&](uint32_t) {
    for (int i = 0; i < 50; ++i) {
      const std::vector<Ref> refs = LeaseSome(client, 2);
      for (const ItemResult& item : client.Return("ids", refs).items) {
        EXPECT_TRUE(item.error.ok());
      }
    }
  });
  EXPECT_EQ(service.leased(), 0u);
  EXPECT_EQ(service.granted(), 400u);
}

}  // namespace
}  // namespace objpool::client
