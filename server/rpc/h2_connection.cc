#include "server/rpc/h2_connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "server/rpc/h2_call.h"
#include "server/rpc/h2_goaway.h"
#include "server/rpc/h2_limits.h"
#include "server/rpc/h2_tls_door.h"
#include "server/rpc/h2_worker.h"

namespace objpool::rpc {
namespace {

constexpr std::size_t kFrameHeadBytes = 9;

}  // namespace

H2Connection::H2Connection(H2Worker& owner, int fd, std::string peer, PeerSeats::Seat seat,
                           bool encrypted)
    : owner_(owner),
      fd_(fd),
      peer_(std::move(peer)),
      seat_(std::move(seat)),
      tls_(encrypted ? std::make_unique<TlsSession>() : nullptr),
      guard_(owner.now()),
      began_at_(owner.now()),
      frame_at_(owner.now()),
      idle_at_(owner.now()),
      age_at_(owner.AgeLimit()) {}

H2Connection::~H2Connection() {
  if (fd_ >= 0) close(fd_);
}

bool H2Connection::Begin() { return tls_ != nullptr || BeginSession(); }

bool H2Connection::BeginSession() {
  session_ = owner_.protocol().Begin(*this);
  if (session_ == nullptr) return false;
  MarkDirty();
  return true;
}

void H2Connection::OnEvents(uint32_t events) {
  if (closed()) return;
  if ((events & EPOLLOUT) != 0) return WriteRest();
  // While the socket is blocked, reading is not asked for: then this says that the client has gone.
  blocked_at_ == 0 ? Read() : Close();
}

void H2Connection::Read() {
  uint8_t* const bytes = owner_.input();
  const std::size_t most =
      tls_ == nullptr ? read_bytes_ : std::min(read_bytes_, h2_limits::kTlsReadBytes);
  const ssize_t got = recv(fd_, tls_ == nullptr ? bytes : owner_.tls_door().input(), most, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    if (tls_ != nullptr && tls_->shaking_hands()) owner_.stats().tls.Note(TlsFailure::kGone);
    return Close();
  }
  owner_.LookAtClock();
  const auto arrived = static_cast<std::size_t>(got);
  const std::size_t count = tls_ == nullptr ? arrived : OpenWire(arrived);
  if (count == 0) return;
  useful_ = headers_at_ != 0;  // more of headers, whose length is bounded by itself
  const ssize_t taken = nghttp2_session_mem_recv(session_.get(), bytes, count);
  MarkDirty();
  if (arrived > h2_limits::kLeastReadBytes) PaceReads(arrived == most);
  // libnghttp2 says nothing of frames that it passes over.
  const auto pieces =
      static_cast<uint32_t>((count + h2_limits::kVoidBytes - 1) / h2_limits::kVoidBytes);
  if (taken >= 0 && (useful_ || Spend(FloodKind::kVoid, pieces))) return;
  if (taken == NGHTTP2_ERR_FLOODED) (void)NoteFlood(FloodKind::kAnswers);
  if (taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) (void)NoteFlood(FloodKind::kContinuation);
  flooding_ ? CutOff(Cut::kFlood, NGHTTP2_ENHANCE_YOUR_CALM)
            : CutOff(Cut::kProtocol, NGHTTP2_PROTOCOL_ERROR);
}

// What was read has been handled; it was as much as was asked for where it `filled` the read.
void H2Connection::PaceReads(bool filled) {
  const BootNs took = BootNow() - owner_.now();
  if (took > h2_limits::kReadNs) {
    read_bytes_ = std::max(h2_limits::kLeastReadBytes, read_bytes_ / 2);
  } else if (filled && took < h2_limits::kReadNs / 2) {
    read_bytes_ = std::min(h2_limits::kReadBytes, read_bytes_ * 2);
  }
}

void H2Connection::Flush() {
  if (closed() || blocked_at_ != 0 || session_ == nullptr) {
    dirty_ = false;
    return;
  }
  ByteBuffer& out = owner_.output();
  while (out.size() < h2_limits::kSendBytes) {
    const uint8_t* bytes = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session_.get(), &bytes);
    if (count == 0) break;
    if (count < 0) {
      dirty_ = false;
      out.Consume(out.size());
      return Close();
    }
    out.Append(bytes, static_cast<std::size_t>(count));
  }
  dirty_ = false;  // not earlier: what sending itself asked for has been sent
  if (out.size() >= h2_limits::kSendBytes) MarkDirty();
  tls_ == nullptr ? Send(out.data(), out.size()) : Seal(out.view());
  out.Consume(out.size());
  if (closed() || blocked_at_ != 0) return;
  if (nghttp2_session_want_read(session_.get()) == 0 &&
      nghttp2_session_want_write(session_.get()) == 0) {
    // Either it goes, asked to or not, or libnghttp2 has told it what it broke.
    if (!told_last_ && !left_) owner_.stats().connections.Note(Cut::kProtocol);
    Close();
  }
}

// Sends, and keeps what the socket does not take; nothing is read until it has.
void H2Connection::Send(const uint8_t* bytes, std::size_t count) {
  if (count == 0) return;
  const ssize_t sent = send(fd_, bytes, count, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return Close();
  const std::size_t taken = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  if (taken == count) return;
  rest_.Append(bytes + taken, count - taken);
  NoteUnsent(count - taken);
  blocked_at_ = owner_.now();
  owner_.Watch(*this, fd_, EPOLLOUT);
}

void H2Connection::WriteRest() {
  const ssize_t sent = send(fd_, rest_.data(), rest_.size(), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (sent < 0) return Close();
  rest_.Consume(static_cast<std::size_t>(sent));
  NoteSent(static_cast<std::size_t>(sent));
  blocked_at_ = owner_.now();
  if (!rest_.empty()) return;
  rest_.Clear();
  blocked_at_ = 0;
  if (headers_at_ != 0) headers_at_ = owner_.now();  // nobody let their rest come
  owner_.Watch(*this, fd_, EPOLLIN);
  MarkDirty();
}

bool H2Connection::WriteData(const uint8_t* frame_head, std::size_t bytes, H2Call& call) {
  ByteBuffer& out = owner_.output();
  if (out.size() >= h2_limits::kSendBytes) return false;
  out.Append(frame_head, kFrameHeadBytes);
  call.Take(bytes, out);
  return true;
}

void H2Connection::Drain() {
  if (closed() || drained_at_ != 0) return;
  if (session_ == nullptr) return Close();
  drained_at_ = owner_.now();
  (void)nghttp2_submit_shutdown_notice(session_.get());
  MarkDirty();
}

// By hand, because the session may be in no state to send anything.
void H2Connection::GoAway(uint32_t error, std::string_view text) {
  if (closed()) return;
  if (blocked_at_ == 0 && session_ != nullptr) {
    const int32_t last = nghttp2_session_get_last_proc_stream_id(session_.get());
    const H2GoAway goaway(static_cast<uint32_t>(last), error, text);
    tls_ == nullptr ? Send(goaway.data(), goaway.size())
                    : SealLast({reinterpret_cast<const char*>(goaway.data()), goaway.size()});
  }
  Close();
}

void H2Connection::CutOff(Cut why, uint32_t error) {
  owner_.stats().connections.Note(why);
  if (tls_ != nullptr && tls_->shaking_hands()) owner_.stats().tls.Note(TlsFailure::kSlow);
  GoAway(error, kCutTexts[static_cast<std::size_t>(why)]);
}

void H2Connection::Close() {
  if (closed()) return;
  close(std::exchange(fd_, -1));
  seat_ = {};
  session_.reset();
  LeaveDoor();
  tls_.reset();
  NoteSent(rest_.size());
  rest_.Clear();
  // From the beginning after each, because the end of one call may end others.
  for (H2Call* call = calls_; call != nullptr;) {
    if (call->open()) {
      call->OnClosed();
      call = calls_;
    } else {
      call = call->next_;
    }
  }
  NoteOver();
}

void H2Connection::NoteOver() {
  if (closed() && calls_ == nullptr && !std::exchange(noted_over_, true)) owner_.NoteOver(*this);
}

void H2Connection::MarkDirty() {
  if (!closed() && !std::exchange(dirty_, true)) owner_.NoteDirty(*this);
}

void H2Connection::OnTick(BootNs now) {
  if (closed()) return;
  if (blocked_at_ != 0) {
    if (now - blocked_at_ <= owner_.request_timeout_ns()) return;
    return CutOff(Cut::kUnread, NGHTTP2_CANCEL);
  }
  const bool headless = headers_at_ != 0 && now - headers_at_ > h2_limits::kHandshakeNs;
  const bool unsettled = !settled_ && now - began_at_ > h2_limits::kHandshakeNs;
  const bool in_the_way = at_door_ == AtDoor::kInside && now - hello_at_ > TlsDoor::kPatienceNs &&
                          owner_.tls_door().crowded();
  if (headless || unsettled || in_the_way) return CutOff(Cut::kSlow, NGHTTP2_SETTINGS_TIMEOUT);
  if (ping_at_ != 0 && now - ping_at_ > h2_limits::kKeepaliveAnswerNs) {
    return CutOff(Cut::kSilent, NGHTTP2_CANCEL);
  }
  if (ping_at_ == 0 && now - frame_at_ > h2_limits::kKeepaliveNs) {
    ping_at_ = now;
    (void)nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
    MarkDirty();
  }
  if (drained_at_ != 0) return SeeOff(now);
  aged_ = now >= age_at_;
  const bool idle = calls_ == nullptr && now - idle_at_ > h2_limits::kIdleNs;
  if (!aged_ && !idle) return;
  owner_.stats().connections.Note(aged_ ? Cut::kAged : Cut::kIdle);
  Drain();
}

// What becomes of a connection that was asked to go.
void H2Connection::SeeOff(BootNs now) {
  const BootNs grace_ns = owner_.age_grace_ns();
  if (aged_ && grace_ns != 0 && now - drained_at_ > grace_ns) {
    return GoAway(NGHTTP2_NO_ERROR, kCutTexts[static_cast<std::size_t>(Cut::kAged)]);
  }
  if (now - drained_at_ > h2_limits::kLastCallNs && !std::exchange(told_last_, true)) {
    (void)nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session_.get()),
                                NGHTTP2_NO_ERROR, nullptr, 0);
    MarkDirty();
  }
}

}  // namespace objpool::rpc
