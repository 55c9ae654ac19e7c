// What a connection does for its calls and with what its session reads.
#include <utility>

#include "server/rpc/h2_call.h"
#include "server/rpc/h2_connection.h"
#include "server/rpc/h2_limits.h"
#include "server/rpc/h2_worker.h"

namespace objpool::rpc {

// Whether to reset it now is to give up a call that has hardly begun, or none at all.
bool H2Connection::IsRapid(int32_t stream) const {
  const auto* const call =
      static_cast<const H2Call*>(nghttp2_session_get_stream_user_data(session_.get(), stream));
  return call == nullptr || owner_.now() - call->began_at() < h2_limits::kRapidNs;
}

bool H2Connection::Spend(FloodKind kind, uint32_t count) {
  return !flooding_ && (guard_.Spend(kind, owner_.now(), count) || NoteFlood(kind));
}

bool H2Connection::NoteFlood(FloodKind kind) {
  owner_.stats().connections.Note(kind);
  flooding_ = true;
  return false;
}

bool H2Connection::OnFrameHead(const nghttp2_frame_hd& head) {
  useful_ = true;
  switch (head.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
      return true;
    case NGHTTP2_DATA: {
      const bool in_vain = head.length == 0 && (head.flags & NGHTTP2_FLAG_END_STREAM) == 0;
      const bool padded = (head.flags & NGHTTP2_FLAG_PADDED) != 0;
      return !(in_vain || padded) || Spend(FloodKind::kEmptyData);
    }
    case NGHTTP2_RST_STREAM:
      return Spend(FloodKind::kReset, IsRapid(head.stream_id) ? FloodGuard::kRapidReset : 1);
    case NGHTTP2_PING:
      return Spend(FloodKind::kPing);
    case NGHTTP2_SETTINGS:
      return Spend(FloodKind::kSettings);
    case NGHTTP2_WINDOW_UPDATE:
      return Spend(FloodKind::kWindowUpdate);
    default:
      return Spend(FloodKind::kOther);
  }
}

bool H2Connection::OnInvalidFrame(bool refused) {
  if (refused) NoteCut(CallCut::kStreamLimit);
  headers_at_ = 0;  // where it was headers: nobody waits for their rest
  return Spend(FloodKind::kInvalid);
}

void H2Connection::OnHeadersBegin() {
  head_.Reset();
  headers_at_ = owner_.now();
}

bool H2Connection::OnHeader(std::string_view name, std::string_view value) {
  return !flooding_ && (head_.Add(name, value) || NoteFlood(FloodKind::kHeaders));
}

void H2Connection::OnFrame(const nghttp2_frame& frame) {
  frame_at_ = owner_.now();
  ping_at_ = 0;
  const int32_t stream = frame.hd.stream_id;
  if (frame.hd.type == NGHTTP2_SETTINGS) settled_ = true;
  if (frame.hd.type == NGHTTP2_GOAWAY) left_ = true;
  if (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA) return;
  if (frame.hd.type == NGHTTP2_HEADERS) {
    headers_at_ = 0;
    if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) BeginCall(stream);
  }
  if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
  auto* const call =
      static_cast<H2Call*>(nghttp2_session_get_stream_user_data(session_.get(), stream));
  if (call != nullptr) call->OnRequestEnd();
}

void H2Connection::BeginCall(int32_t stream) {
  if (owner_.stopping()) {
    (void)nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream,
                                    NGHTTP2_REFUSED_STREAM);
    return;
  }
  if (const char* const http_status = head_.HttpRefusal()) return AnswerHttp(stream, http_status);
  H2Call* const call = owner_.NewCall(*this, stream);
  if (call == nullptr) {
    NoteCut(CallCut::kCalls);
    RpcCell& cell = owner_.stats().at(owner_.methods().Find(head_.path()));
    cell.started.Add();
    cell.handled[static_cast<std::size_t>(Code::kResourceExhausted)].Add();
    return AnswerAtOnce(stream, {Code::kResourceExhausted, "too many calls", {}});
  }
  call->next_ = calls_;
  if (calls_ != nullptr) calls_->previous_ = call;
  call->previous_ = nullptr;
  calls_ = call;
  ++call_count_;
  (void)nghttp2_session_set_stream_user_data(session_.get(), stream, call);
  guard_.EarnCall();
  call->Begin(head_);
}

void H2Connection::NoteCut(CallCut why) { owner_.stats().connections.Note(why); }

void H2Connection::Remove(H2Call& call) {
  (call.previous_ == nullptr ? calls_ : call.previous_->next_) = call.next_;
  if (call.next_ != nullptr) call.next_->previous_ = call.previous_;
  --call_count_;
  if (calls_ != nullptr) return;
  idle_at_ = owner_.now();
  NoteOver();
}

// The connection's window opens at once, so that no call holds up another one.
void H2Connection::OnData(H2Call* call, int32_t stream, std::string_view bytes) {
  (void)nghttp2_session_consume_connection(session_.get(), bytes.size());
  if (call == nullptr) {
    Credit(stream, bytes.size());
  } else {
    useful_ = true;
    call->OnBytes(bytes);
  }
}

void H2Connection::OnFrameSent(const nghttp2_frame& frame) {
  if (frame.hd.type != NGHTTP2_DATA && frame.hd.type != NGHTTP2_HEADERS) return;
  guard_.EarnFrame();
  if (frame.hd.type == NGHTTP2_DATA || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
  const int32_t stream = frame.hd.stream_id;
  const bool early = nghttp2_session_get_stream_remote_close(session_.get(), stream) == 0;
  guard_.EarnEnd(early);
  if (!early) return;
  // Answered before the request was over: its rest is not wanted.
  (void)nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_NO_ERROR);
}

void H2Connection::StartAnswer(H2Call& call) {
  if (closed()) return;
  const nghttp2_data_provider provider = DataOf(call);
  const auto fields = AnswerFields(!std::exchange(told_encodings_, true));
  (void)nghttp2_submit_response(session_.get(), call.stream(), fields.data(), fields.size(),
                                &provider);
  MarkDirty();
  owner_.NoteAnswer();
}

void H2Connection::ResumeAnswer(const H2Call& call) {
  if (closed()) return;
  (void)nghttp2_session_resume_data(session_.get(), call.stream());
  MarkDirty();
}

void H2Connection::EndAnswer(const H2Call& call) {
  if (closed()) return;
  H2Trailers& trailers = owner_.trailers();
  trailers.Make(call.status(), false);
  (void)nghttp2_submit_trailer(session_.get(), call.stream(), trailers.fields(), trailers.count());
  MarkDirty();
}

void H2Connection::AnswerAtOnce(int32_t stream, const Status& status) {
  if (closed()) return;
  H2Trailers& trailers = owner_.trailers();
  trailers.Make(status, true);
  (void)nghttp2_submit_response(session_.get(), stream, trailers.fields(), trailers.count(),
                                nullptr);
  MarkDirty();
}

void H2Connection::AnswerHttp(int32_t stream, const char* http_status) {
  const nghttp2_nv field = StaticField(":status", http_status);
  (void)nghttp2_submit_response(session_.get(), stream, &field, 1, nullptr);
  MarkDirty();
}

void H2Connection::Cancel(int32_t stream) {
  if (closed()) return;
  (void)nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
  MarkDirty();
}

void H2Connection::Credit(int32_t stream, std::size_t bytes) {
  if (closed()) return;
  (void)nghttp2_session_consume_stream(session_.get(), stream, bytes);
  MarkDirty();
}

bool H2Connection::NoteUnread(std::size_t bytes) {
  unread_ += bytes;
  owner_.unread() += bytes;
  return unread_ <= h2_limits::kShareOfBytes ||
         (unread_ <= h2_limits::kMaxUnreadOfConnection && owner_.unread() <= owner_.max_unread());
}

void H2Connection::NoteRead(std::size_t bytes) {
  unread_ -= bytes;
  owner_.unread() -= bytes;
}

void H2Connection::NoteUnsent(std::size_t bytes) {
  unsent_ += bytes;
  owner_.unsent() += bytes;
}

void H2Connection::NoteSent(std::size_t bytes) {
  unsent_ -= bytes;
  owner_.unsent() -= bytes;
}

bool H2Connection::HasRoomForAnswers() const {
  return unsent_ <= h2_limits::kShareOfBytes ||
         (unsent_ <= h2_limits::kMaxUnsentOfConnection && owner_.unsent() <= owner_.max_unsent());
}

}  // namespace objpool::rpc
