// GrpcCall: one call on gRPC's generic asynchronous API, which takes any method and hands over
// bytes.
//
// Its life is driven by the coroutine in GrpcWorker: arrival, then Begin, then Advance after each
// event until over(). Every call that arrived ends with exactly one Finish.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>

#include "server/rpc/call.h"
#include "server/rpc/grpc_event.h"
#include "server/rpc/method_table.h"

namespace objpool::rpc {

class GrpcWorker;

class GrpcCall final : public UnaryCall, public StreamCall {
 public:
  // Messages that may wait for a client that does not read its stream.
  static constexpr std::size_t kMaxOutbox = 64;

  explicit GrpcCall(GrpcWorker& owner);
  ~GrpcCall() override;
  GrpcCall(const GrpcCall&) = delete;
  GrpcCall& operator=(const GrpcCall&) = delete;

  // For the coroutine.
  void RequestArrival();
  [[nodiscard]] bool arriving() const { return arrival_.pending(); }
  [[nodiscard]] bool arrived() const { return arrival_.ok(); }
  void Begin();
  void Advance();
  [[nodiscard]] bool over() const;
  [[nodiscard]] GrpcWaiter& waiter() { return waiter_; }

  // For the worker: every tick, and where it keeps the call.
  void OnTick(BootNs now, bool stopping);
  [[nodiscard]] std::size_t place() const { return place_; }
  void set_place(std::size_t place) { place_ = place; }

  // UnaryCall and StreamCall.
  [[nodiscard]] uint32_t worker() const override;
  [[nodiscard]] BootNs now() const override;
  [[nodiscard]] std::string peer() const override;
  [[nodiscard]] std::string_view request() const override;
  [[nodiscard]] bool cancelled() const override;
  [[nodiscard]] uint8_t* AllocateReply(std::size_t bytes) override;
  [[nodiscard]] bool Send(std::string_view message) override;
  [[nodiscard]] bool sending() const override { return !outbox_.empty(); }
  void Finish(const Status& status) override;

 private:
  [[nodiscard]] const Method* method() const;
  void StartRead();
  void OnRequest(bool ok);
  void BeginStream();
  [[nodiscard]] Status Inflate(grpc::Slice& message);
  void OnStreamRead(bool ok);
  void ReadMore();
  void OnWritten();
  void Pump();
  void Count(Code code);

  GrpcWorker& owner_;
  std::size_t place_ = 0;
  GrpcWaiter waiter_;
  GrpcEvent arrival_{waiter_}, done_{waiter_}, read_{waiter_}, write_{waiter_}, finish_{waiter_};
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};

  std::size_t method_index_ = MethodTable::kUnknown;
  BootNs began_at_ = 0;
  BootNs request_at_ = 0;  // when the request had arrived whole
  BootNs final_at_ = 0;    // when Finish was called
  bool request_whole_ = false;
  bool reads_over_ = false;  // of a stream: half-closed, or gone
  bool told_to_stop_ = false;
  grpc::ByteBuffer incoming_;
  grpc::Slice request_;
  grpc::Slice reply_;
  std::unique_ptr<StreamHandler> handler_;
  std::deque<grpc::ByteBuffer> outbox_;
  std::optional<grpc::Status> final_;  // set by Finish
  bool finish_started_ = false;
};

}  // namespace objpool::rpc
