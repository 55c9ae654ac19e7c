// A first program with the client library: leases from one pool in three ways.
//
//   objpool_client_example ADDRESS POOL
//
// One handle as a value, which is renewed while it lives; many in quick succession, out of a cache;
// and some that the server gives back at once when this process dies.
#include <cstdint>
#include <iostream>
#include <string>

#include "client/cached_pool.h"
#include "client/keeper.h"
#include "client/session.h"

namespace {

using namespace objpool::client;

int Fail(const std::string& what, const Error& why) {
  std::cerr << what << ": " << ErrorKind(why) << ": " << why.message << "\n";
  return 1;
}

// Whoever has a Grant has the handle while valid() says so. What is written to elsewhere is shown
// the fence, and refuses a lower one than it has seen.
int HoldOne(Keeper& keeper, const std::string& pool) {
  const Result<Grant> leased = keeper.LeaseOne(pool, [](const Ref& ref, const Error& why) {
    std::cerr << "lost " << WithoutKey(ref) << ": " << why.message << "\n";
  });
  if (!leased.ok()) return Fail("no grant", leased.error);
  const Grant& grant = leased.value;
  std::cout << "handle " << grant.ref().handle << " fence " << grant.ref().fence
            << (grant.valid() ? " is mine\n" : " is lost\n");
  return 0;
}  // Here it goes back.

int HoldManyInTurn(Keeper& keeper, const std::string& pool) {
  CachedPool cache(keeper, {.pool = pool, .holder = "example", .batch = 4, .min_idle = 1});
  uint64_t uses = 0;
  for (int i = 0; i < 100'000; ++i) {
    Error why;
    const CachedGrant grant = cache.Lease(why);
    if (!grant) return Fail("the cache has none", why);
    ++uses;
  }
  std::cout << uses << " leases in " << cache.stats().fetches << " calls\n";
  return 0;
}

int HoldWhileAlive(const ClientOptions& server, const std::string& pool) {
  Error why;
  const auto session = Session::Start(server, {.holder = "example"}, why);
  if (session == nullptr) return Fail("no session", why);
  objpool::v1::LeaseRequest request;
  request.set_pool(pool);
  const auto leased = session->Lease(request);
  if (!leased.ok()) return Fail("no lease in the session", leased.error);
  std::cout << "the session has handle " << leased.value.grants(0).ref().handle()
            << (session->valid() ? "\n" : ", but not for sure\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: objpool_client_example ADDRESS POOL\n";
    return 2;
  }
  // What may be repeated without harm is, for the time of a call.
  const ClientOptions server{.address = argv[1], .retry = {.max_attempts = 5}};
  const std::string pool = argv[2];
  const Client client(server);
  Keeper keeper(client);
  if (const int failed = HoldOne(keeper, pool); failed != 0) return failed;
  if (const int failed = HoldManyInTurn(keeper, pool); failed != 0) return failed;
  return HoldWhileAlive(server, pool);
}
