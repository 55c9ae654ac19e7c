// Client: blocking calls to one server, each with its own time limit and a typed error.
//
// Threads: all methods may be called by any number of threads at once; each blocks its caller for
// at most `timeout`; ReadBuffer and WriteBuffer for each step. Two clients of one address share a
// connection unless `own_connection` is set: then this client has its own, which is what a load
// test wants. After a fork the child must not use what its parent made.
//
// Nothing is repeated unless ClientOptions.retry says so: a Lease whose answer was lost may have
// been done, and its grants then end by their TTL. With it, calls are made again where that is safe
// (client/retry.h), within the call's one time limit: all but the streams, and the three of
// PoolService that say so below.
//
// A server that is not there is told at once, not after the time limit. Between such calls nobody
// works on the connection (gRPC looks at it by itself every 5 s only): whoever tries again calls
// Connect in between.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/duration.h"
#include "client/error.h"
#include "client/lease_clock.h"
#include "client/ref.h"
#include "client/retry.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "objpool/v1/buffer_service.grpc.pb.h"
#include "objpool/v1/lease_service.grpc.pb.h"
#include "objpool/v1/pool_service.grpc.pb.h"

namespace objpool::client {

inline constexpr std::string_view kDefaultAddress = "127.0.0.1:7420";

// How the connection is encrypted. All are PEM, and are read when the client is made.
struct TlsOptions {
  // Who signs for servers. Empty: those whom this system trusts.
  std::string root_certificates;
  // What this client shows of itself, if anything: both or neither.
  std::string certificate_chain;
  std::string private_key;
  // The name that the server's certificate is for, where it is not that of the address.
  std::string server_name;
};

struct ClientOptions {
  // HOST:PORT, or what else gRPC takes (unix:PATH, dns:///NAME:PORT).
  std::string address{kDefaultAddress};
  // Of each call, connecting included; a Lease that waits may wait that much longer. Range: 1 ms ..
  // 7 days.
  Milliseconds timeout{5000};
  // A connection that no other client of this process shares.
  bool own_connection = false;
  // A Lease that may be repeated needs a request_id: it gets a random one where it has none.
  RetryOptions retry{};
  // None: the connection is not encrypted.
  std::optional<TlsOptions> tls{};
  // Has the last word about the channel: gRPC's arguments of any kind, a service config too (those
  // of name servers are not looked at). Retries by gRPC know nothing of what may be done twice.
  std::function<void(grpc::ChannelArguments&)> adjust_channel{};
};

// The answer to a call: `value` counts only where `error.ok()`.
template <typename T>
struct Result {
  T value{};
  Error error;
  // When the attempt that was answered was sent. Times that a Lease was answered with count from
  // here: when the answer came says nothing about when the server gave it.
  LeaseClock::time_point sent{};

  [[nodiscard]] bool ok() const { return error.ok(); }
};

// What became of one ref of a Return or Renew.
struct ItemResult {
  Error error;
  bool already_returned = false;
};

// The answer to a Return or Renew: one item for each ref, in their order, also where the whole call
// failed (each then has the call's error).
struct BatchResult {
  std::vector<ItemResult> items;
  // Renew only: the time that every renewed grant has from now, and its end for people.
  Milliseconds ttl{0};
  google::protobuf::Timestamp expire_time;
  // As in Result: `ttl` counts from here.
  LeaseClock::time_point sent{};
};

// The most that one piece of a WriteBuffer may have, in bytes.
inline constexpr std::size_t kMaxWriteBytes = std::size_t{128} * 1024;

class Client {
 public:
  explicit Client(ClientOptions options);

  // Waits up to `time` for a connection. True where there is one.
  [[nodiscard]] bool Connect(Milliseconds time) const;

  // The messages are the API's own; lease_service.proto and pool_service.proto document the fields.
  [[nodiscard]] Result<v1::LeaseResponse> Lease(const v1::LeaseRequest& request) const;
  // 1 .. kMaxBatch refs, all of `pool`, which come back in one state. Where it was repeated, an
  // item whose first answer was lost says already_returned, or STALE_FENCE if it was leased since.
  [[nodiscard]] BatchResult Return(std::string_view pool, std::span<const Ref> refs,
                                   v1::Disposition disposition = v1::DISPOSITION_CLEAN) const;
  // Likewise. A ttl of 0 asks for the pool's default.
  [[nodiscard]] BatchResult Renew(std::string_view pool, std::span<const Ref> refs,
                                  Milliseconds ttl) const;
  // Likewise, without waiting: `done` is called once, within `limit`, on a thread of gRPC's, which
  // it must not block. The client must outlive it. Not repeated.
  using BatchDone = std::function<void(const BatchResult& result)>;
  void StartReturn(std::string_view pool, std::span<const Ref> refs, v1::Disposition disposition,
                   Milliseconds limit, const BatchDone& done) const;
  void StartRenew(std::string_view pool, std::span<const Ref> refs, Milliseconds ttl,
                  Milliseconds limit, const BatchDone& done) const;
  [[nodiscard]] Result<v1::Grant> GetGrant(std::string_view pool, uint64_t handle) const;
  // What the fence of a holder is worth; see FenceState. Whatever it is, the call is ok.
  [[nodiscard]] Result<v1::CheckFenceResponse> CheckFence(std::string_view pool, uint64_t handle,
                                                          uint64_t fence) const;
  // One page of running grants, perhaps without any: the next one is asked for with its
  // next_page_token, until that is empty.
  [[nodiscard]] Result<v1::ListGrantsResponse> ListGrants(
      const v1::ListGrantsRequest& request) const;
  // Ends the grant of this fence, whoever holds it.
  [[nodiscard]] Result<v1::RevokeGrantResponse> RevokeGrant(std::string_view pool, uint64_t handle,
                                                            uint64_t fence) const;
  // Hands a leased buffer's bytes over to `take`, piece by piece in order, from `offset` on:
  // `length` of them; 0: all that are there. Ends early, without an error, where `take` returns
  // false. The value is how many were taken, also with an error.
  using TakeBytes = std::function<bool(std::string_view bytes)>;
  [[nodiscard]] Result<uint64_t> ReadBuffer(const Ref& ref, uint64_t offset, uint64_t length,
                                            const TakeBytes& take) const;
  // Writes what `give` gives from `offset` on, up to kMaxWriteBytes at a time, until it gives none.
  // With an error of the server, its metadata says how many bytes_written there were.
  using GiveBytes = std::function<std::string_view()>;
  [[nodiscard]] Result<v1::WriteResponse> WriteBuffer(const Ref& ref, uint64_t offset,
                                                      const GiveBytes& give) const;
  // All pages.
  [[nodiscard]] Result<std::vector<v1::Pool>> ListPools() const;
  [[nodiscard]] Result<v1::Pool> GetPool(std::string_view pool) const;
  [[nodiscard]] Result<v1::GetPoolStatsResponse> GetPoolStats(std::string_view pool) const;
  // CreatePool, DeletePool and ReinstateHandle are not repeated: a second time they may not say OK.
  [[nodiscard]] Result<v1::Pool> CreatePool(const v1::CreatePoolRequest& request) const;
  [[nodiscard]] Result<v1::Pool> UpdatePool(const v1::UpdatePoolRequest& request) const;
  [[nodiscard]] Result<v1::Pool> DrainPool(std::string_view pool) const;
  [[nodiscard]] Result<v1::Pool> ResumePool(std::string_view pool) const;
  [[nodiscard]] Result<v1::Pool> DeletePool(std::string_view pool) const;
  [[nodiscard]] Result<v1::AuditPoolResponse> AuditPool(std::string_view pool) const;
  // Hands over the pool now and after each change, until `take` returns false, with no error then,
  // or the stream ends: with NOT_FOUND when the pool is gone. Not repeated, and without a time
  // limit: another thread can end it by `context`.
  using TakePool = std::function<bool(const v1::Pool& pool)>;
  [[nodiscard]] Error WatchPool(std::string_view pool, Milliseconds min_interval,
                                grpc::ClientContext& context, const TakePool& take) const;
  [[nodiscard]] Result<v1::PoolHandle> GetHandle(std::string_view pool, uint64_t handle) const;
  // One page, as ListGrants.
  [[nodiscard]] Result<v1::ListHandlesResponse> ListHandles(
      const v1::ListHandlesRequest& request) const;
  [[nodiscard]] Result<v1::PoolHandle> QuarantineHandle(std::string_view pool,
                                                        uint64_t handle) const;
  [[nodiscard]] Result<v1::PoolHandle> ReinstateHandle(std::string_view pool,
                                                       uint64_t handle) const;
  [[nodiscard]] Result<grpc::health::v1::HealthCheckResponse::ServingStatus> Check(
      std::string_view service) const;

  [[nodiscard]] const ClientOptions& options() const { return options_; }

 private:
  using Deadline = std::chrono::system_clock::time_point;

  // Runs one call on a fresh context with a deadline, and again where that is safe. `sent` is when
  // the last attempt was.
  using Call = std::function<grpc::Status(grpc::ClientContext& context)>;
  [[nodiscard]] Error Run(const Call& call, Milliseconds wait = Milliseconds(0),
                          LeaseClock::time_point* sent = nullptr) const;
  // Likewise, without a second attempt.
  [[nodiscard]] Error RunOnce(const Call& call) const;
  // Waits for the time of the next attempt. False where there is none.
  [[nodiscard]] bool AwaitNextAttempt(const Error& error, uint32_t failed, Deadline deadline) const;

  ClientOptions options_;
  // Shared with gRPC's stubs, which is the only way that gRPC hands channels around.
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::LeaseService::Stub> leases_;
  std::unique_ptr<v1::PoolService::Stub> pools_;
  std::unique_ptr<v1::BufferService::Stub> buffers_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
};

}  // namespace objpool::client
