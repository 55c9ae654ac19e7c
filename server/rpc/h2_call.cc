#include "server/rpc/h2_call.h"

#include <utility>

#include "pool/base/check.h"
#include "server/rpc/h2_connection.h"
#include "server/rpc/h2_limits.h"
#include "server/rpc/h2_message.h"
#include "server/rpc/h2_request_head.h"
#include "server/rpc/h2_worker.h"

namespace objpool::rpc {

void H2Call::Reset(H2Connection& connection, int32_t stream) {
  connection_ = &connection;
  stream_ = stream;
  method_index_ = MethodTable::kUnknown;
  request_at_ = deadline_at_ = final_at_ = 0;
  open_ = true;
  final_ = dispatched_ = timed_out_ = ended_ = told_ended_ = told_to_stop_ = false;
  answering_ = drained_ = false;
  uncredited_ = 0;
}

const Method* H2Call::method() const {
  const auto methods = owner_.methods().methods();
  return method_index_ < methods.size() ? &methods[method_index_] : nullptr;
}

void H2Call::Begin(const RequestHead& head) {
  began_at_ = owner_.now();
  method_index_ = owner_.methods().Find(head.path());
  owner_.stats().at(method_index_).started.Add();
  gzip_ = head.gzip();
  if (head.timeout()) deadline_at_ = began_at_ + *head.timeout();
  if (head.too_long()) connection_->NoteCut(CallCut::kHeaders);
  if (const auto refusal = head.Refusal()) return Finish(*refusal);
  if (method() == nullptr) {
    return Finish({Code::kUnimplemented, "unknown method " + head.path(), {}});
  }
  if (!connection_->HasRoomForAnswers()) {
    connection_->NoteCut(CallCut::kUnsent);
    return Finish({Code::kResourceExhausted, "too many answers are not taken", {}});
  }
  if (method()->unary()) return;
  if (!owner_.StreamBegan(*connection_)) {
    connection_->NoteCut(CallCut::kStreams);
    return Finish({Code::kResourceExhausted, "too many streams", {}});
  }
  handler_ = std::get<StreamFactory>(method()->handler)(*this);
}

void H2Call::OnBytes(std::string_view bytes) {
  uncredited_ += bytes.size();
  if (final_ || dispatched_) return Credit();
  in_.Append(bytes.data(), bytes.size());
  if (!connection_->NoteUnread(bytes.size())) return RefuseUnread();
  if (handler_ != nullptr) return ReadMore();
  Credit();
  (void)CheckMessage();
}

// Looks at what is first in in_, and ends the call where it can be no message.
H2Call::Arrived H2Call::CheckMessage() {
  const MessageHead head = ReadMessageHead(in_.view());
  if (!head.whole) return Arrived::kNothing;
  if (head.compressed && !gzip_) {
    EndByEngine({Code::kInternal, "a compressed message without grpc-encoding", {}});
    return Arrived::kRefused;
  }
  if (head.bytes > owner_.max_request_bytes()) {
    connection_->NoteCut(CallCut::kMessage);
    EndByEngine({Code::kResourceExhausted,
                 "a request must have at most " + std::to_string(owner_.max_request_bytes()) +
                     " bytes, got " + std::to_string(head.bytes),
                 {}});
    return Arrived::kRefused;
  }
  const std::size_t framed = kMessageHeadBytes + head.bytes;
  if (handler_ == nullptr && in_.size() > framed) {
    EndByEngine({Code::kInvalidArgument, "the call carries more than one message", {}});
    return Arrived::kRefused;
  }
  return in_.size() < framed ? Arrived::kNothing : Arrived::kMessage;
}

void H2Call::OnRequestEnd() {
  ended_ = true;
  if (final_ || dispatched_) return;
  if (handler_ != nullptr) return ReadMore();
  const Arrived arrived = CheckMessage();
  if (arrived == Arrived::kNothing) {
    return EndByEngine(
        {Code::kInvalidArgument,
         in_.empty() ? "the call carries no request message" : "the request message is cut off",
         {}});
  }
  if (arrived == Arrived::kRefused) return;
  if (ReadMessageHead(in_.view()).compressed && !InflateRequest()) return;
  dispatched_ = true;
  request_at_ = owner_.now();
  std::get<UnaryHandler>(method()->handler)(*this);
}

// Makes the one message that there is what it was before it was compressed.
bool H2Call::InflateRequest() {
  ByteBuffer& plain = owner_.inflated();
  plain.Clear();
  const Status status = owner_.inflater().Inflate(in_.view().substr(kMessageHeadBytes),
                                                  owner_.max_request_bytes(), plain);
  DropInput();
  if (!status.ok()) {
    RefuseInflated(status);
    return false;
  }
  WriteMessageHead(plain.size(), in_.Extend(kMessageHeadBytes));
  in_.Append(plain.data(), plain.size());
  plain.Clear();
  if (connection_->NoteUnread(in_.size())) return true;
  RefuseUnread();
  return false;
}

void H2Call::RefuseUnread() {
  connection_->NoteCut(CallCut::kUnread);
  EndByEngine({Code::kResourceExhausted, "too much of requests is not handled", {}});
}

void H2Call::RefuseInflated(const Status& status) {
  if (status.code == Code::kResourceExhausted) connection_->NoteCut(CallCut::kMessage);
  EndByEngine(status);
}

// Gives a stream's handler the first message that there is. False when it was none.
bool H2Call::HandOver(const MessageHead& head) {
  const std::string_view message = in_.view().substr(kMessageHeadBytes, head.bytes);
  if (!head.compressed) {
    handler_->OnMessage(message);
    return true;
  }
  // The worker's buffer, away from where others would find it.
  ByteBuffer plain = std::exchange(owner_.inflated(), {});
  const Status status = owner_.inflater().Inflate(message, owner_.max_request_bytes(), plain);
  status.ok() ? handler_->OnMessage(plain.view()) : RefuseInflated(status);
  plain.Clear();
  owner_.inflated() = std::move(plain);
  return status.ok();
}

// Hands over as many messages as the handler wants.
void H2Call::ReadMore() {
  while (!final_ && open_ && !told_ended_ && handler_->WantsMessage()) {
    const Arrived arrived = CheckMessage();
    if (arrived == Arrived::kRefused) return;
    if (arrived == Arrived::kNothing) {
      Credit();
      if (in_.empty()) in_.Clear();
      if (!ended_) return;
      if (!in_.empty()) return EndByEngine({Code::kInternal, "the last message is cut off", {}});
      told_ended_ = true;
      handler_->OnHalfClose();
      return;
    }
    const MessageHead head = ReadMessageHead(in_.view());
    if (!HandOver(head)) return;
    in_.Consume(kMessageHeadBytes + head.bytes);
    connection_->NoteRead(kMessageHeadBytes + head.bytes);
  }
  // Long messages leave no memory behind: streams stay.
  if (final_ || in_.empty()) DropInput();
}

// Lets the client send as much again as came.
void H2Call::Credit() {
  if (uncredited_ != 0) connection_->Credit(stream_, std::exchange(uncredited_, 0));
}

void H2Call::OnDrained() {
  if (!std::exchange(drained_, false)) return;  // it has become another call
  if (!open_ || final_ || handler_ == nullptr || !out_.empty()) return;
  handler_->OnSent();
  ReadMore();
}

void H2Call::OnClosed() {
  open_ = false;
  DropOutput();
  if (!final_ && handler_ != nullptr) {
    final_ = true;
    Count(Code::kCancelled);
    handler_->OnGone();
  } else if (!final_ && !dispatched_) {
    final_ = true;
    Count(Code::kCancelled);
  }
  if (final_) Release();
}

void H2Call::OnTick(BootNs now, bool stopping) {
  if (!open_) return;
  if (final_ || timed_out_) {
    // A client that opens no window for its answer would hold the call for ever.
    if (now - final_at_ <= owner_.request_timeout_ns()) return;
    final_at_ = now;
    connection_->NoteCut(CallCut::kStalled);
    connection_->Cancel(stream_);
    return;
  }
  if (deadline_at_ != 0 && now >= deadline_at_) return TimeOut();
  if (handler_ != nullptr) {
    handler_->OnTick();
    if (stopping && !final_ && !std::exchange(told_to_stop_, true)) handler_->OnShutdown();
    ReadMore();
  } else if (!dispatched_ && now - began_at_ > owner_.request_timeout_ns()) {
    connection_->NoteCut(CallCut::kHalfOpen);
    EndByEngine({Code::kDeadlineExceeded, "the request did not arrive in time", {}});
  }
}

// The client waits no more. A unary handler sees that and finishes the call, which is answered
// already.
void H2Call::TimeOut() {
  const Status late{Code::kDeadlineExceeded, "the deadline has passed", {}};
  if (!dispatched_) return EndByEngine(late);
  timed_out_ = true;
  final_at_ = owner_.now();
  connection_->AnswerAtOnce(stream_, late);
}

void H2Call::EndByEngine(const Status& status) {
  const bool told = handler_ != nullptr;
  Finish(status);
  DropInput();
  if (told) handler_->OnGone();
}

uint32_t H2Call::worker() const { return owner_.index(); }

BootNs H2Call::now() const { return dispatched_ ? request_at_ : owner_.now(); }

std::string H2Call::peer() const { return connection_->peer(); }

std::string_view H2Call::request() const {
  const std::string_view message = in_.view();
  return message.substr(std::min(message.size(), kMessageHeadBytes));
}

uint8_t* H2Call::AllocateReply(std::size_t bytes) {
  WriteMessageHead(bytes, out_.Extend(kMessageHeadBytes));
  uint8_t* const reply = out_.Extend(bytes);
  connection_->NoteUnsent(kMessageHeadBytes + bytes);
  return reply;
}

bool H2Call::Send(std::string_view message) {
  OBJPOOL_CHECK(!final_, "nothing is sent after the end");
  const std::size_t bytes = kMessageHeadBytes + message.size();
  if (!out_.empty() &&
      (out_.size() + bytes > h2_limits::kMaxOutboxBytes || !connection_->HasRoomForAnswers())) {
    return false;
  }
  WriteMessageHead(message.size(), out_.Extend(kMessageHeadBytes));
  out_.Append(message.data(), message.size());
  connection_->NoteUnsent(bytes);
  Answer();
  return true;
}

// Has the connection send what there is.
void H2Call::Answer() {
  if (std::exchange(answering_, true)) {
    connection_->ResumeAnswer(*this);
  } else {
    connection_->StartAnswer(*this);
  }
}

void H2Call::Finish(const Status& status) {
  OBJPOOL_CHECK(!final_, "a call ends once");
  final_ = true;
  final_at_ = owner_.now();
  Count(status.code);
  if (!open_) return Release();
  // A stream's handler may be reading a message of it just now.
  const bool unary = method() == nullptr || method()->unary();
  if (unary) DropInput();
  if (timed_out_) return DropOutput();
  status_ = status;
  if (unary && status.ok()) {
    if (out_.empty()) (void)AllocateReply(0);
    Answer();
    return;
  }
  if (unary) DropOutput();
  if (!answering_) {
    connection_->AnswerAtOnce(stream_, status);
  } else if (out_.empty()) {
    connection_->EndAnswer(*this);
  }
}

void H2Call::Take(std::size_t bytes, ByteBuffer& to) {
  to.Append(out_.data(), bytes);
  out_.Consume(bytes);
  connection_->NoteSent(bytes);
  if (!out_.empty()) return;
  out_.Clear();
  if (!final_ && !std::exchange(drained_, true)) owner_.NoteDrained(*this);
}

void H2Call::DropInput() {
  connection_->NoteRead(in_.size());
  in_.Clear();
}

void H2Call::DropOutput() {
  connection_->NoteSent(out_.size());
  out_.Clear();
}

void H2Call::Count(Code code) {
  RpcCell& cell = owner_.stats().at(method_index_);
  cell.handled[static_cast<std::size_t>(code)].Add();
  cell.latency.Observe(BootNow() - began_at_);
}

void H2Call::Release() {
  if (handler_ != nullptr) {
    handler_.reset();
    owner_.StreamEnded();
  }
  DropInput();
  DropOutput();
  connection_->Remove(*this);
  owner_.Recycle(*this);
}

}  // namespace objpool::rpc
