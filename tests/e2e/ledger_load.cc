// Many clients at once, whose own books prove what the server did: no handle in two hands, none
// lost, fences that rise, and no "empty" that was a lie.
//
//   ledger_load ADDRESS POOL CLIENTS CONNECTIONS PAIRS BATCH HELD
//
// Each client leases BATCH handles a call while it holds fewer than HELD, then returns what it took
// first, until all have leased PAIRS together; in the end each returns what it has left. Prints its
// books as JSON. Exit code 1 when the books show a fault.
//
// How "empty" is judged: a handle may be held by somebody from the moment a lease that takes it is
// called until the moment its return is answered. When at no instant of a refused call so many
// handles may have been held by others that too few were left, the refusal was a lie.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "objpool/v1/lease_service.grpc.pb.h"
#include "objpool/v1/pool_service.grpc.pb.h"

namespace {

namespace v1 = objpool::v1;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string address, pool;
  uint32_t clients, connections;
  uint64_t pairs;
  uint32_t batch, held;
};

// From when to when something may have been so; `handles` as a change of the number held.
struct Change {
  Clock::time_point at;
  int64_t handles;
};
struct Refusal {
  Clock::time_point from, to;
};

// What all clients share: who holds which handle, and the newest fence of each.
struct Ledger {
  explicit Ledger(uint64_t capacity) : holders(capacity), fences(capacity) {}
  std::vector<std::atomic<uint32_t>> holders;
  std::vector<std::atomic<uint64_t>> fences;
  std::atomic<uint64_t> leased{0}, returned{0}, refused{0}, errors{0};
  std::atomic<uint64_t> doubles{0}, fence_faults{0};
};

class Client {
 public:
  Client(const Options& options, uint32_t number, std::shared_ptr<grpc::Channel> channel,
         Ledger& ledger)
      : options_(options),
        number_(number),
        stub_(v1::LeaseService::NewStub(std::move(channel))),
        ledger_(ledger) {}

  void Run() {
    while (ledger_.leased.load(std::memory_order_relaxed) < options_.pairs) {
      const bool room = refs_.size() + options_.batch <= options_.held;
      if (room && Lease()) continue;
      if (!refs_.empty()) Return();
      if (ledger_.errors.load(std::memory_order_relaxed) > 100) break;
    }
    while (!refs_.empty() && ledger_.errors.load(std::memory_order_relaxed) <= 100) Return();
  }
  [[nodiscard]] const std::vector<Change>& changes() const { return changes_; }
  [[nodiscard]] const std::vector<Refusal>& refusals() const { return refusals_; }

 private:
  bool Lease() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::LeaseRequest request;
    request.set_pool(options_.pool);
    request.set_count(options_.batch);
    v1::LeaseResponse reply;
    const Clock::time_point from = Clock::now();
    const grpc::Status status = stub_->Lease(&context, request, &reply);
    if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
      refusals_.push_back({from, Clock::now()});
      ++ledger_.refused;
      return false;
    }
    if (!status.ok()) return Fail(status);
    for (const v1::Grant& grant : reply.grants()) Take(grant.ref());
    ledger_.leased += static_cast<uint64_t>(reply.grants_size());
    changes_.push_back({from, reply.grants_size()});
    return true;
  }

  void Take(const v1::GrantRef& ref) {
    if (ledger_.holders[ref.handle()].exchange(number_) != 0) ++ledger_.doubles;
    if (ledger_.fences[ref.handle()].exchange(ref.fence()) >= ref.fence()) ++ledger_.fence_faults;
    refs_.push_back(ref);
  }

  void Return() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::ReturnRequest request;
    request.set_pool(options_.pool);
    const std::size_t count = std::min<std::size_t>(refs_.size(), options_.batch);
    for (std::size_t i = 0; i < count; ++i) {
      *request.add_items()->mutable_grant() = refs_[i];
      if (ledger_.holders[refs_[i].handle()].exchange(0) != number_) ++ledger_.doubles;
    }
    refs_.erase(refs_.begin(), refs_.begin() + static_cast<std::ptrdiff_t>(count));
    v1::ReturnResponse reply;
    const grpc::Status status = stub_->Return(&context, request, &reply);
    if (!status.ok()) {
      Fail(status);
      return;
    }
    changes_.push_back({Clock::now(), -static_cast<int64_t>(count)});
    for (const v1::ReturnResult& result : reply.results()) {
      if (result.has_error() || result.already_returned()) {
        ++ledger_.errors;
      } else {
        ++ledger_.returned;
      }
    }
  }

  bool Fail(const grpc::Status& status) {
    std::fprintf(stderr, "code %d: %s\n", status.error_code(), status.error_message().c_str());
    ++ledger_.errors;
    return false;
  }

  const Options& options_;
  const uint32_t number_;
  const std::unique_ptr<v1::LeaseService::Stub> stub_;
  Ledger& ledger_;
  std::deque<v1::GrantRef> refs_;
  std::vector<Change> changes_;
  std::vector<Refusal> refusals_;
};

// Counts refusals at no instant of which more than capacity - batch handles may have been held.
uint64_t CountLies(const std::vector<std::unique_ptr<Client>>& clients, uint64_t capacity,
                   uint32_t batch) {
  std::vector<Change> all;
  for (const auto& client : clients) {
    all.insert(all.end(), client->changes().begin(), client->changes().end());
  }
  std::ranges::sort(all, {}, &Change::at);
  std::vector<int64_t> held(all.size() + 1);
  for (std::size_t i = 0; i < all.size(); ++i) held[i + 1] = held[i] + all[i].handles;
  uint64_t lies = 0;
  for (const auto& client : clients) {
    for (const Refusal& refusal : client->refusals()) {
      const auto first = std::ranges::lower_bound(all, refusal.from, {}, &Change::at) - all.begin();
      const auto last = std::ranges::upper_bound(all, refusal.to, {}, &Change::at) - all.begin();
      const int64_t most = *std::max_element(held.begin() + first, held.begin() + last + 1);
      lies += most + static_cast<int64_t>(batch) <= static_cast<int64_t>(capacity) ? 1 : 0;
    }
  }
  return lies;
}

// A connection of its own, made: gRPC 1.51 may take a first attempt for failed that was not (see
// client/channel.cc), and tries again.
std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  (void)channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(60));
  return channel;
}

uint64_t CapacityOf(const Options& options) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  v1::GetPoolRequest request;
  request.set_name(options.pool);
  v1::GetPoolResponse reply;
  const auto stub = v1::PoolService::NewStub(Connect(options.address));
  return stub->GetPool(&context, request, &reply).ok() ? reply.pool().capacity() : 0;
}

int Drive(const Options& options) {
  const uint64_t capacity = CapacityOf(options);
  if (capacity == 0) {
    std::fprintf(stderr, "cannot read pool %s\n", options.pool.c_str());
    return 2;
  }
  Ledger ledger(capacity);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (uint32_t i = 0; i < options.connections; ++i) channels.push_back(Connect(options.address));
  std::vector<std::unique_ptr<Client>> clients;
  for (uint32_t i = 0; i < options.clients; ++i) {
    clients.push_back(
        std::make_unique<Client>(options, i + 1, channels[i % options.connections], ledger));
  }
  {
    std::vector<std::jthread> threads;
    for (const auto& client : clients) threads.emplace_back([&client] { client->Run(); });
  }
  const uint64_t lies = CountLies(clients, capacity, options.batch);
  const uint64_t lost = ledger.leased - ledger.returned;
  std::printf(
      "{\"leased\": %lu, \"returned\": %lu, \"refused\": %lu, \"errors\": %lu, \"doubles\": %lu, "
      "\"fence_faults\": %lu, \"false_empty\": %lu, \"lost\": %lu}\n",
      ledger.leased.load(), ledger.returned.load(), ledger.refused.load(), ledger.errors.load(),
      ledger.doubles.load(), ledger.fence_faults.load(), lies, lost);
  const bool clean = ledger.errors == 0 && ledger.doubles == 0 && ledger.fence_faults == 0 &&
                     lies == 0 && lost == 0;
  return clean ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: ledger_load ADDRESS POOL CLIENTS CONNECTIONS PAIRS BATCH HELD\n");
    return 2;
  }
  const auto number = [argv](int i) { return std::strtoull(argv[i], nullptr, 10); };
  const auto small = [&number](int i) { return static_cast<uint32_t>(number(i)); };
  return Drive({.address = argv[1],
                .pool = argv[2],
                .clients = small(3),
                .connections = small(4),
                .pairs = number(5),
                .batch = small(6),
                .held = small(7)});
}
