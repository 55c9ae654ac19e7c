// A server of one pool "ids" that breaks one promise, to show that `objpoolctl bench --verify` sees
// it. As simple as it can be: one lock, one set of free handles.
//
//   broken_server FAULT       serves, and writes its port as one line
//
// FAULT is one of those below; "none" keeps all promises. So do the slow ones, in their time, on a
// machine of any speed.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "objpool/v1/lease_service.grpc.pb.h"
#include "objpool/v1/pool_service.grpc.pb.h"

namespace {

using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;
namespace v1 = objpool::v1;

constexpr uint64_t kCapacity = 64;
constexpr int kEvery = 50;  // of so many chances for its fault it takes one
const std::set<std::string> kFaults = {
    "none",           "double_grant",  "fence_stays",         "fence_falls",      "denies",
    "forgets",        "accepts_stale", "accepts_forged",      "refuses_return",   "short_ttl",
    "no_such_handle", "too_many",      "counts_grants_twice", "counts_no_return", "refuses_renew",
    "short_renewal"};
const std::set<std::string> kSlow = {
    "slow_leases",  // one after the other, 100 ms each
    "slow_returns"  // 2 s each, but not when their client is gone
};
using std::chrono::milliseconds;

class Broken final : public v1::LeaseService::Service, public v1::PoolService::Service {
 public:
  explicit Broken(std::string fault) : fault_(std::move(fault)) {
    for (uint64_t handle = 0; handle < kCapacity; ++handle) free_.push_back(handle);
  }

  Status Lease(ServerContext* /*context*/, const v1::LeaseRequest* request,
               v1::LeaseResponse* reply) override {
    if (fault_ == "slow_leases") {
      const std::scoped_lock turn(lease_turn_);
      Pass(milliseconds(100));
    }
    const std::scoped_lock lock(mutex_);
    const uint32_t count = std::max<uint32_t>(request->count(), 1);
    if (Strikes("denies") || free_.size() < count) {
      return {StatusCode::RESOURCE_EXHAUSTED, "nothing is free"};
    }
    for (uint32_t i = 0; i < count; ++i) Grant(*reply);
    if (Strikes("too_many") && !free_.empty()) Grant(*reply);
    const int64_t seconds = request->has_ttl() ? request->ttl().seconds() : 30;
    reply->mutable_ttl()->set_seconds(Strikes("short_ttl") ? seconds / 2 : seconds);
    return Status::OK;
  }

  Status Return(ServerContext* context, const v1::ReturnRequest* request,
                v1::ReturnResponse* reply) override {
    for (int i = 0; i < 100 && fault_ == "slow_returns" && !context->IsCancelled(); ++i) {
      Pass(milliseconds(20));
    }
    const std::scoped_lock lock(mutex_);
    for (const v1::ReturnItem& item : request->items()) {
      const Status status = ReturnOne(item.grant(), *reply->add_results());
      if (!status.ok()) return status;
    }
    return Status::OK;
  }

  Status Renew(ServerContext* /*context*/, const v1::RenewRequest* request,
               v1::RenewResponse* reply) override {
    const std::scoped_lock lock(mutex_);
    for (const v1::GrantRef& ref : request->grants()) {
      const bool stale = ref.fence() != holdings_[ref.handle()].fence;
      if (stale || Strikes("refuses_renew")) return {StatusCode::FAILED_PRECONDITION, "stale"};
      reply->add_results();
    }
    const int64_t seconds = request->ttl().seconds();
    reply->mutable_ttl()->set_seconds(Strikes("short_renewal") ? seconds / 2 : seconds);
    return Status::OK;
  }

  Status GetPool(ServerContext* /*context*/, const v1::GetPoolRequest* /*request*/,
                 v1::GetPoolResponse* reply) override {
    reply->mutable_pool()->set_name("pools/ids");
    reply->mutable_pool()->mutable_ids();
    reply->mutable_pool()->set_capacity(kCapacity);
    reply->mutable_pool()->set_free(kCapacity);
    return Status::OK;
  }

  Status GetPoolStats(ServerContext* /*context*/, const v1::GetPoolStatsRequest* /*request*/,
                      v1::GetPoolStatsResponse* reply) override {
    const std::scoped_lock lock(mutex_);
    reply->set_granted(granted_);
    reply->set_returned(returned_);
    return Status::OK;
  }

 private:
  struct Holding {
    uint64_t fence = 0;
    bool held = false;
  };

  // The time that the slow ones take.
  void Pass(milliseconds time) {
    std::unique_lock lock(time_mutex_);
    (void)never_.wait_for(lock, time, [] { return false; });
  }

  // Whether it is time for the fault, if that is the one.
  bool Strikes(const char* fault) { return fault_ == fault && ++chances_ % kEvery == 0; }

  static uint64_t KeyOf(uint64_t handle, uint64_t fence) {
    return (uint64_t{1} << 60) + (handle * 31) + (fence << 32);
  }

  void Grant(v1::LeaseResponse& reply) {
    const bool twice = Strikes("double_grant");
    const uint64_t handle = free_.front();
    // Given again at once, it is held twice.
    if (!twice) free_.pop_front();
    Holding& holding = holdings_[handle];
    if (Strikes("fence_falls") && holding.fence > 1) --holding.fence;
    if (holding.fence == 0 || !Strikes("fence_stays")) ++holding.fence;
    holding.held = true;
    ++granted_;
    if (Strikes("counts_grants_twice")) ++granted_;
    v1::GrantRef& ref = *reply.add_grants()->mutable_ref();
    ref.set_handle(Strikes("no_such_handle") ? kCapacity + 7 : handle);
    ref.set_fence(holding.fence);
    ref.set_key(KeyOf(handle, holding.fence));
  }

  Status ReturnOne(const v1::GrantRef& ref, v1::ReturnResult& result) {
    Holding& holding = holdings_[ref.handle()];
    const bool fits = ref.key() == KeyOf(ref.handle(), ref.fence());
    if (!fits && !Strikes("accepts_forged")) return {StatusCode::PERMISSION_DENIED, "wrong key"};
    if (Strikes("refuses_return")) return {StatusCode::NOT_FOUND, "no such grant"};
    if (ref.fence() != holding.fence || !holding.held) {
      if (Strikes("accepts_stale")) return Status::OK;
      if (ref.fence() != holding.fence) return {StatusCode::FAILED_PRECONDITION, "stale"};
      result.set_already_returned(true);
      return Status::OK;
    }
    holding.held = false;
    if (!Strikes("forgets")) free_.push_back(ref.handle());
    if (!Strikes("counts_no_return")) ++returned_;
    return Status::OK;
  }

  const std::string fault_;
  std::mutex time_mutex_;
  std::condition_variable never_;
  std::mutex lease_turn_;
  std::mutex mutex_;
  std::deque<uint64_t> free_;
  std::map<uint64_t, Holding> holdings_;
  uint64_t granted_ = 0;
  uint64_t returned_ = 0;
  int chances_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !(kFaults.contains(argv[1]) || kSlow.contains(argv[1]))) {
    for (const std::string& fault : kFaults) std::cout << fault << '\n';
    return argc == 1 ? 0 : 2;
  }
  Broken service(argv[1]);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(static_cast<v1::LeaseService::Service*>(&service));
  builder.RegisterService(static_cast<v1::PoolService::Service*>(&service));
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::cout << port << std::endl;
  server->Wait();
}
