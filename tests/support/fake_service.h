// FakeService: a small server of the whole API in this process, for tests of the client.
//
// It keeps grants in a map under a lock and never lets one expire. Pools: "ids" (handle h is
// 100 + h), "labels" (label "seat-h") and "buffers" (4096 bytes on node 1), of one capacity.
// `Refuse` makes the next calls of LeaseService fail; `mute` makes them wait until the caller gives
// up; `lose_answers` has that many Leases and Returns done and not answered. A Lease that is
// repeated with its request_id gets the same grants, without end.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "objpool/v1/lease_service.grpc.pb.h"
#include "objpool/v1/pool_service.grpc.pb.h"
#include "tests/support/fake_buffers.h"
#include "tests/support/fake_error.h"

namespace objpool::testing {

class FakeService final : public v1::LeaseService::Service,
                          public v1::PoolService::Service,
                          public grpc::health::v1::Health::Service {
 public:
  explicit FakeService(
      uint64_t capacity = 8, const std::string& address = "127.0.0.1:0",
      const std::shared_ptr<grpc::ServerCredentials>& as = grpc::InsecureServerCredentials())
      : capacity_(capacity) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, as, &port_);
    builder.RegisterService(static_cast<v1::LeaseService::Service*>(this));
    builder.RegisterService(static_cast<v1::PoolService::Service*>(this));
    builder.RegisterService(&buffers_);
    builder.RegisterService(static_cast<grpc::health::v1::Health::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~FakeService() override { Stop(); }
  FakeService(const FakeService&) = delete;
  FakeService& operator=(const FakeService&) = delete;

  void Stop() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] uint64_t leased() {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  [[nodiscard]] uint64_t granted() {
    const std::lock_guard lock(mutex_);
    return granted_;
  }
  [[nodiscard]] std::string last_holder() {
    const std::lock_guard lock(mutex_);
    return last_holder_;
  }
  [[nodiscard]] std::string last_request_id() {
    const std::lock_guard lock(mutex_);
    return last_request_id_;
  }
  [[nodiscard]] uint64_t lease_calls() const { return lease_calls_; }
  [[nodiscard]] uint64_t renew_calls() const { return renew_calls_; }
  [[nodiscard]] v1::Disposition last_disposition() const { return last_disposition_; }
  void Refuse(const google::rpc::Status& status) {
    const std::lock_guard lock(mutex_);
    refusal_ = status;
  }

  std::atomic<bool> mute{false};
  std::atomic<bool> serving{true};
  std::atomic<int> lose_answers{0};
  // How long the answer to a Lease takes on its way.
  std::atomic<std::chrono::milliseconds> lease_takes{std::chrono::milliseconds(0)};

  grpc::Status Lease(grpc::ServerContext* context, const v1::LeaseRequest* request,
                     v1::LeaseResponse* response) override {
    ++lease_calls_;
    if (grpc::Status status = Admit(*context, request->pool()); !status.ok()) return status;
    const std::lock_guard lock(mutex_);
    last_request_id_ = request->request_id();
    if (const auto done = answered_.find(last_request_id_); done != answered_.end()) {
      *response = done->second;
      return AnswerOrLoseIt();
    }
    const uint64_t count = request->count() == 0 ? 1 : request->count();
    const uint64_t least = request->min_count() == 0 ? count : request->min_count();
    if (capacity_ - held_.size() < least) {
      return AsCallStatus(
          FakeError(grpc::StatusCode::RESOURCE_EXHAUSTED, "POOL_EXHAUSTED", "no free handle"));
    }
    last_holder_ = request->holder();
    for (uint64_t h = 0; h < capacity_ && static_cast<uint64_t>(response->grants_size()) < count;
         ++h) {
      if (held_.contains(h)) continue;
      held_[h] = ++granted_;
      v1::Grant* grant = response->add_grants();
      *grant->mutable_ref() = Ref(h, granted_);
      SetValue(request->pool(), h, *grant);
    }
    response->mutable_ttl()->set_seconds(30);
    if (request->has_ttl()) *response->mutable_ttl() = request->ttl();
    response->mutable_expire_time()->set_seconds(1'800'000'000);
    if (!last_request_id_.empty()) answered_[last_request_id_] = *response;
    TakeTime();
    return AnswerOrLoseIt();
  }

  grpc::Status Return(grpc::ServerContext* context, const v1::ReturnRequest* request,
                      v1::ReturnResponse* response) override {
    if (grpc::Status status = Admit(*context, request->pool()); !status.ok()) return status;
    const std::lock_guard lock(mutex_);
    for (const v1::ReturnItem& item : request->items()) {
      last_disposition_ = item.disposition();
      v1::ReturnResult* result = response->add_results();
      if (google::rpc::Status error = Judge(item.grant()); error.code() != 0) {
        if (request->items_size() == 1) return AsCallStatus(error);
        *result->mutable_error() = error;
      } else {
        result->set_already_returned(held_.erase(item.grant().handle()) == 0);
      }
    }
    return AnswerOrLoseIt();
  }

  grpc::Status Renew(grpc::ServerContext* context, const v1::RenewRequest* request,
                     v1::RenewResponse* response) override {
    ++renew_calls_;
    if (grpc::Status status = Admit(*context, request->pool()); !status.ok()) return status;
    const std::lock_guard lock(mutex_);
    for (const v1::GrantRef& grant : request->grants()) {
      v1::RenewResult* result = response->add_results();
      google::rpc::Status error = Judge(grant);
      if (error.code() == 0 && !held_.contains(grant.handle())) {
        error = FakeError(grpc::StatusCode::NOT_FOUND, "GRANT_RETURNED", "it was returned");
      }
      if (error.code() == 0) continue;
      if (request->grants_size() == 1) return AsCallStatus(error);
      *result->mutable_error() = error;
    }
    response->mutable_ttl()->set_seconds(30);
    if (request->has_ttl()) *response->mutable_ttl() = request->ttl();
    return grpc::Status::OK;
  }

  grpc::Status GetGrant(grpc::ServerContext* context, const v1::GetGrantRequest* request,
                        v1::GetGrantResponse* response) override {
    if (grpc::Status status = Admit(*context, request->pool()); !status.ok()) return status;
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(request->handle());
    if (found == held_.end()) {
      return AsCallStatus(FakeError(grpc::StatusCode::NOT_FOUND, "NO_GRANT", "nobody holds it"));
    }
    v1::Grant* grant = response->mutable_grant();
    *grant->mutable_ref() = Ref(found->first, found->second);
    grant->mutable_ref()->clear_key();
    SetValue(request->pool(), found->first, *grant);
    grant->mutable_remaining()->set_seconds(12);
    grant->mutable_held()->set_seconds(18);
    grant->set_holder(last_holder_);
    return grpc::Status::OK;
  }

  grpc::Status CheckFence(grpc::ServerContext* context, const v1::CheckFenceRequest* request,
                          v1::CheckFenceResponse* response) override {
    if (grpc::Status status = Admit(*context, request->pool()); !status.ok()) return status;
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(request->handle());
    response->set_current_fence(found == held_.end() ? 0 : found->second);
    if (response->current_fence() == request->fence()) {
      response->set_state(v1::FENCE_STATE_RUNNING);
      response->mutable_remaining()->set_seconds(12);
      response->mutable_expire_time()->set_seconds(1'800'000'000);
    } else if (request->fence() > granted_) {
      response->set_state(v1::FENCE_STATE_NEVER_GIVEN);
    } else {
      response->set_state(v1::FENCE_STATE_RETURNED);
      response->mutable_ended_ago()->set_nanos(7'000'000);
    }
    return grpc::Status::OK;
  }

  // Two handles a page, held or not. Grants have the last holder, and the age that GetGrant says.
  grpc::Status ListGrants(grpc::ServerContext* context, const v1::ListGrantsRequest* request,
                          v1::ListGrantsResponse* response) override {
    if (grpc::Status status = Admit(*context, request->pool()); !status.ok()) return status;
    const uint64_t first = request->page_token().empty() ? 0 : std::stoull(request->page_token());
    for (uint64_t handle = first; handle < first + 2; ++handle) {
      v1::GetGrantRequest one;
      one.set_pool(request->pool());
      one.set_handle(handle);
      v1::GetGrantResponse found;
      if (!GetGrant(context, &one, &found).ok()) continue;
      if (request->has_holder() && request->holder() != found.grant().holder()) continue;
      if (request->held_at_least().seconds() > found.grant().held().seconds()) continue;
      *response->add_grants() = found.grant();
    }
    if (first + 2 < capacity_) response->set_next_page_token(std::to_string(first + 2));
    return grpc::Status::OK;
  }

  grpc::Status RevokeGrant(grpc::ServerContext* context, const v1::RevokeGrantRequest* request,
                           v1::RevokeGrantResponse* response) override {
    if (grpc::Status status = Admit(*context, request->pool()); !status.ok()) return status;
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(request->handle());
    if (found != held_.end() && found->second == request->fence()) {
      held_.erase(found);
      revoked_.insert(request->fence());
    } else if (revoked_.contains(request->fence())) {
      response->set_already_revoked(true);
    } else {
      return AsCallStatus(FakeError(grpc::StatusCode::NOT_FOUND, "NO_GRANT", "no such grant"));
    }
    return grpc::Status::OK;
  }

  // One pool a page, to make the client turn pages.
  grpc::Status ListPools(grpc::ServerContext*, const v1::ListPoolsRequest* request,
                         v1::ListPoolsResponse* response) override {
    const std::string& token = request->page_token();
    const std::string name = token.empty() ? "buffers" : token;
    FillPool(name, *response->add_pools());
    response->set_next_page_token(name == "buffers" ? "ids" : name == "ids" ? "labels" : "");
    return grpc::Status::OK;
  }

  grpc::Status GetPool(grpc::ServerContext*, const v1::GetPoolRequest* request,
                       v1::GetPoolResponse* response) override {
    if (!Known(request->name())) return Unknown(request->name());
    FillPool(request->name(), *response->mutable_pool());
    return grpc::Status::OK;
  }

  grpc::Status GetPoolStats(grpc::ServerContext*, const v1::GetPoolStatsRequest* request,
                            v1::GetPoolStatsResponse* response) override {
    if (!Known(request->name())) return Unknown(request->name());
    const std::lock_guard lock(mutex_);
    response->set_capacity(capacity_);
    response->set_granted(granted_);
    response->set_returned(granted_ - held_.size() - revoked_.size());
    response->set_revoked(revoked_.size());
    response->set_engine("fake");
    v1::SlotStats* slot = response->add_slots();
    slot->set_occupancy(capacity_ - held_.size());
    slot->set_local_hits(granted_);
    slot->mutable_stolen_by()->set_same_node(3);
    return grpc::Status::OK;
  }

  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest* request,
                     grpc::health::v1::HealthCheckResponse* response) override {
    using Response = grpc::health::v1::HealthCheckResponse;
    if (!request->service().empty()) return {grpc::StatusCode::NOT_FOUND, "unknown service"};
    response->set_status(serving ? Response::SERVING : Response::NOT_SERVING);
    return grpc::Status::OK;
  }

 private:
  static constexpr uint64_t kKey = 0xfeed;

  static v1::GrantRef Ref(uint64_t handle, uint64_t fence) {
    v1::GrantRef ref;
    ref.set_handle(handle);
    ref.set_fence(fence);
    ref.set_key(kKey ^ fence);
    return ref;
  }
  static std::string Bare(const std::string& pool) {
    return pool.starts_with("pools/") ? pool.substr(6) : pool;
  }
  static bool Known(const std::string& name) {
    const std::string pool = Bare(name);
    return pool == "ids" || pool == "labels" || pool == "buffers";
  }
  static grpc::Status Unknown(const std::string& pool) {
    return AsCallStatus(FakeError(grpc::StatusCode::NOT_FOUND, "POOL_UNKNOWN", "no pool " + pool));
  }
  static void SetValue(const std::string& name, uint64_t handle, v1::Grant& grant) {
    const std::string pool = Bare(name);
    if (pool == "ids") grant.set_id(static_cast<int64_t>(100 + handle));
    if (pool == "labels") grant.set_label("seat-" + std::to_string(handle));
    if (pool == "buffers") {
      grant.mutable_buffer()->set_size_bytes(4096);
      grant.mutable_buffer()->set_numa_node(1);
    }
  }

  void TakeTime() const {
    const auto end = std::chrono::steady_clock::now() + lease_takes.load();
    while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
  }

  grpc::Status AnswerOrLoseIt() {
    if (lose_answers == 0) return grpc::Status::OK;
    --lose_answers;
    return {grpc::StatusCode::UNAVAILABLE, "Socket closed"};
  }

  grpc::Status Admit(const grpc::ServerContext& context, const std::string& pool) {
    // The caller's deadline bounds the wait.
    while (mute && !context.IsCancelled()) std::this_thread::yield();
    const std::lock_guard lock(mutex_);
    if (refusal_.code() != 0) return AsCallStatus(refusal_);
    return Known(pool) ? grpc::Status::OK : Unknown(pool);
  }

  grpc::Status AdmitHolder(const grpc::ServerContext& context, const std::string& pool,
                           const v1::GrantRef& ref) {
    if (grpc::Status status = Admit(context, pool); !status.ok()) return status;
    const std::lock_guard lock(mutex_);
    const google::rpc::Status error = Judge(ref);
    return error.code() == 0 ? grpc::Status::OK : AsCallStatus(error);
  }

  google::rpc::Status Judge(const v1::GrantRef& ref) const {
    if (ref.key() != (kKey ^ ref.fence())) {
      return FakeError(grpc::StatusCode::PERMISSION_DENIED, "NOT_HOLDER", "the key does not fit");
    }
    const auto found = held_.find(ref.handle());
    if (found != held_.end() && found->second != ref.fence()) {
      return FakeError(grpc::StatusCode::FAILED_PRECONDITION, "STALE_FENCE", "a newer grant runs");
    }
    return {};
  }

  void FillPool(const std::string& name, v1::Pool& pool) {
    const std::lock_guard lock(mutex_);
    pool.set_name("pools/" + name);
    if (name == "ids") pool.mutable_ids()->set_first_id(100);
    if (name == "labels") pool.mutable_labels();
    if (name == "buffers") pool.mutable_buffers()->set_size_bytes(4096);
    pool.set_capacity(capacity_);
    pool.set_state(v1::POOL_STATE_ACTIVE);
    pool.set_leased(held_.size());
    pool.set_free(capacity_ - held_.size());
    pool.mutable_ttl_min()->set_nanos(1'000'000);
    pool.mutable_ttl_default()->set_seconds(30);
    pool.mutable_ttl_max()->set_seconds(3600);
  }

  const uint64_t capacity_;
  int port_ = 0;
  std::mutex mutex_;
  std::map<uint64_t, uint64_t> held_;  // fence by handle
  std::set<uint64_t> revoked_;         // their fences, which no two handles share
  uint64_t granted_ = 0;
  std::string last_holder_;
  std::string last_request_id_;
  std::map<std::string, v1::LeaseResponse> answered_;  // by request_id
  std::atomic<uint64_t> lease_calls_{0};
  std::atomic<uint64_t> renew_calls_{0};
  std::atomic<v1::Disposition> last_disposition_{v1::DISPOSITION_UNSPECIFIED};
  google::rpc::Status refusal_;
  FakeBuffers buffers_{[this](const grpc::ServerContext& context, const std::string& pool,
                              const v1::GrantRef& ref) { return AdmitHolder(context, pool, ref); }};
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace objpool::testing
