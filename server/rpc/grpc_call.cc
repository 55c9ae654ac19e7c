#include "server/rpc/grpc_call.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "pool/base/check.h"
#include "server/rpc/grpc_worker.h"
#include "server/rpc/peer.h"

namespace objpool::rpc {
namespace {

// The whole message as one run of bytes. Most requests came in one slice, which is then shared.
grpc::Slice Flatten(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (buffer.TrySingleSlice(&slice).ok() || buffer.DumpToSingleSlice(&slice).ok()) return slice;
  return {};
}

// By the certificate that gRPC has verified, if the client has shown one.
std::string PeerOf(const grpc::ServerContext& context) {
  const std::shared_ptr<const grpc::AuthContext> verified = context.auth_context();
  if (verified->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME).empty()) {
    return PeerHost(context.peer());
  }
  const auto each = [&](const char* property, auto add) {
    for (const grpc::string_ref& value : verified->FindPropertyValues(property)) {
      add(std::string_view(value.data(), value.size()));
    }
  };
  CertificateNames names;
  each(GRPC_PEER_URI_PROPERTY_NAME, [&](std::string_view uri) { names.AddUri(uri); });
  each(GRPC_PEER_DNS_PROPERTY_NAME, [&](std::string_view name) { names.AddDns(name); });
  each(GRPC_X509_CN_PROPERTY_NAME, [&](std::string_view name) { names.AddCommonName(name); });
  return names.Peer();
}

}  // namespace

GrpcCall::GrpcCall(GrpcWorker& owner) : owner_(owner) { owner_.Register(*this); }

GrpcCall::~GrpcCall() {
  if (handler_ != nullptr) owner_.StreamEnded();
  owner_.Unregister(*this);
}

void GrpcCall::RequestArrival() {
  context_.AsyncNotifyWhenDone(done_.Tag());
  owner_.service().RequestCall(&context_, &stream_, owner_.queue(), owner_.queue(), arrival_.Tag());
}

const Method* GrpcCall::method() const {
  const auto methods = owner_.methods().methods();
  return method_index_ < methods.size() ? &methods[method_index_] : nullptr;
}

void GrpcCall::Begin() {
  began_at_ = owner_.now();
  method_index_ = owner_.methods().Find(context_.method());
  owner_.stats().at(method_index_).started.Add();
  if (method() == nullptr) {
    Finish({Code::kUnimplemented, "unknown method " + context_.method().substr(0, 256), {}});
    return;
  }
  method()->unary() ? StartRead() : BeginStream();
}

void GrpcCall::BeginStream() {
  if (!owner_.StreamBegan()) {
    Finish({Code::kResourceExhausted, "too many streams", {}});
    return;
  }
  handler_ = std::get<StreamFactory>(method()->handler)(*this);
  StartRead();
}

void GrpcCall::StartRead() { stream_.Read(&incoming_, read_.Tag()); }

void GrpcCall::Advance() {
  if (read_.Take()) {
    if (handler_ != nullptr) {
      OnStreamRead(read_.ok());
    } else if (!request_whole_ && !final_) {
      OnRequest(read_.ok());
    }
  }
  if (write_.Take()) OnWritten();
  // A stream whose client has gone is over; a unary call is ended by its handler, who sees
  // cancelled().
  if (done_.ok() && handler_ != nullptr && !final_) {
    Finish({Code::kCancelled, "cancelled", {}});
    handler_->OnGone();
  }
  Pump();
  ReadMore();
}

void GrpcCall::OnRequest(bool ok) {
  if (!ok) {
    const bool gone = context_.IsCancelled();
    Finish(gone ? Status{Code::kCancelled, "cancelled before the request had arrived", {}}
                : Status{Code::kInvalidArgument, "the call carries no request message", {}});
    return;
  }
  request_whole_ = true;
  request_at_ = owner_.now();
  request_ = Flatten(incoming_);
  incoming_.Clear();
  if (const Status status = Inflate(request_); !status.ok()) {
    Finish(status);
    return;
  }
  std::get<UnaryHandler>(method()->handler)(*this);
}

// Makes a message that is compressed what it was before.
Status GrpcCall::Inflate(grpc::Slice& message) {
  const std::string_view bytes(reinterpret_cast<const char*>(message.begin()), message.size());
  if (!Inflater::IsGzip(bytes)) return {};
  ByteBuffer plain;
  Status status = owner_.inflater().Inflate(bytes, owner_.max_request_bytes(), plain);
  if (status.ok()) message = grpc::Slice(plain.data(), plain.size());
  return status;
}

void GrpcCall::OnStreamRead(bool ok) {
  if (final_) return;
  if (!ok) {
    reads_over_ = true;
    handler_->OnHalfClose();
    return;
  }
  grpc::Slice message = Flatten(incoming_);
  incoming_.Clear();
  if (const Status status = Inflate(message); !status.ok()) {
    Finish(status);
    handler_->OnGone();
    return;
  }
  handler_->OnMessage({reinterpret_cast<const char*>(message.begin()), message.size()});
}

void GrpcCall::ReadMore() {
  if (handler_ == nullptr || final_ || reads_over_ || read_.pending()) return;
  if (handler_->WantsMessage()) StartRead();
}

void GrpcCall::OnWritten() {
  outbox_.pop_front();
  if (!write_.ok()) outbox_.clear();
  if (handler_ != nullptr && !final_ && outbox_.empty() && write_.ok()) handler_->OnSent();
}

// Sends what waits: one message at a time, and the end behind the last.
void GrpcCall::Pump() {
  if (write_.pending() || finish_started_) return;
  if (!outbox_.empty()) {
    stream_.Write(outbox_.front(), write_.Tag());
  } else if (final_) {
    finish_started_ = true;
    if (final_->ok() && method() != nullptr && method()->unary()) {
      const grpc::ByteBuffer reply(&reply_, 1);
      stream_.WriteAndFinish(reply, grpc::WriteOptions(), *final_, finish_.Tag());
    } else {
      stream_.Finish(*final_, finish_.Tag());
    }
  }
}

// done_ alone proves nothing to wait for: it is the last event of the call that is promised to
// come.
bool GrpcCall::over() const {
  return finish_started_ && !finish_.pending() && !done_.pending() && !read_.pending() &&
         !write_.pending();
}

void GrpcCall::OnTick(BootNs now, bool stopping) {
  if (arrival_.pending() || !arrival_.ok()) return;
  if (final_) {
    // A client that opens no window for its answer would hold the call for ever.
    if (!over() && now - final_at_ > owner_.request_timeout_ns()) context_.TryCancel();
    return;
  }
  if (handler_ != nullptr) {
    handler_->OnTick();
    if (stopping && !final_ && !std::exchange(told_to_stop_, true)) handler_->OnShutdown();
    ReadMore();
  } else if (!request_whole_ && now - began_at_ > owner_.request_timeout_ns()) {
    Finish({Code::kDeadlineExceeded, "the request did not arrive in time", {}});
  }
}

uint32_t GrpcCall::worker() const { return owner_.index(); }

// A request of a unary call arrives once; a stream goes by the turns of the loop, also while its
// handler is being made.
BootNs GrpcCall::now() const { return request_whole_ ? request_at_ : owner_.now(); }

std::string GrpcCall::peer() const {
  return owner_.asks_for_certificates() ? PeerOf(context_) : PeerHost(context_.peer());
}

std::string_view GrpcCall::request() const {
  return {reinterpret_cast<const char*>(request_.begin()), request_.size()};
}

bool GrpcCall::cancelled() const { return !done_.pending(); }

uint8_t* GrpcCall::AllocateReply(std::size_t bytes) {
  reply_ = grpc::Slice(bytes);
  return const_cast<uint8_t*>(reply_.begin());
}

bool GrpcCall::Send(std::string_view message) {
  OBJPOOL_CHECK(!final_, "nothing is sent after the end");
  if (outbox_.size() >= kMaxOutbox) return false;
  const grpc::Slice slice(message.data(), message.size());
  outbox_.emplace_back(&slice, 1);
  Pump();
  return true;
}

void GrpcCall::Finish(const Status& status) {
  OBJPOOL_CHECK(!final_, "a call ends once");
  final_.emplace(static_cast<grpc::StatusCode>(status.code), status.message, status.details);
  final_at_ = owner_.now();
  if (status.retry_ms != 0) {
    context_.AddTrailingMetadata("grpc-retry-pushback-ms", std::to_string(status.retry_ms));
  }
  Count(status.code);
  Pump();
}

void GrpcCall::Count(Code code) {
  RpcCell& cell = owner_.stats().at(method_index_);
  cell.handled[static_cast<std::size_t>(code)].Add();
  cell.latency.Observe(BootNow() - began_at_);
}

}  // namespace objpool::rpc
