#include "server/service/session_stream.h"

#include <span>

#include "server/service/errors.h"
#include "server/service/fields.h"
#include "server/service/session_token.h"

namespace objpool::server {
namespace {

using google::rpc::Status;

constexpr uint64_t kDefaultLingerMs = 10'000;
constexpr uint64_t kMaxLingerMs = 300'000;
// How long a stream may take to say what it wants.
constexpr rpc::BootNs kOpeningNs = 10'000'000'000;
// What one turn does for one stream, in grants.
constexpr std::size_t kWorkPerTurn = 1024;
// Room for answers that an idle stream keeps: those to a message of plain operations.
constexpr std::size_t kKeptCollectedBytes = std::size_t{8} * 1024;

}  // namespace

SessionStream::SessionStream(SessionService& service, rpc::StreamCall& call)
    : service_(service),
      call_(call),
      peer_(call.peer()),
      worker_(call.worker()),
      line_(std::make_shared<Line>(Line{.stream = this})) {}

SessionStream::~SessionStream() {
  Detach(service_.pools().clock().At(rpc::BootNow()), true);
  service_.Forget(*this);
}

lease::BootMs SessionStream::Now() const { return service_.pools().clock().At(call_.now()); }

SessionStep SessionStream::Step(lease::BootMs now) {
  return {service_.pools(), service_.directory(), service_.leases().disk(), ticket_, worker_, now};
}

bool SessionStream::WantsMessage() const {
  return state_ == State::kNew || (state_ == State::kOpen && !HasWork() && HasRoom());
}

std::optional<Status> SessionStream::CheckMessage() const {
  Violations bad;
  const bool opens = request_->opening_case() != v1::SessionRequest::OPENING_NOT_SET;
  if (state_ == State::kNew && !opens) {
    bad.Add("opening", "is required in the first message of a stream: start or resume");
  } else if (state_ != State::kNew && opens) {
    bad.Add(request_->has_start() ? "start" : "resume",
            "must be in the first message of a stream only");
  }
  if (request_->operations_size() > kMaxOperations) {
    bad.Add("operations", "must have at most " + std::to_string(kMaxOperations) + " entries, got " +
                              std::to_string(request_->operations_size()));
  }
  if (bad.empty()) return std::nullopt;
  return bad.ToError();
}

void SessionStream::OnMessage(std::string_view message) {
  if (state_ == State::kOver) return;
  next_ = 0;
  if (state_ == State::kOpen && ServePlain(message)) {
    HasRoom() ? service_.Cork(*this) : Flush();
    return;
  }
  if (!request_->ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    request_.Reset();
    Fail(Malformed(v1::SessionRequest::descriptor()->full_name()));
  } else if (const auto error = CheckMessage()) {
    request_.Reset();
    Fail(*error);
  } else if (state_ == State::kNew) {
    Open();
  } else {
    Work(Now());
    HasRoom() ? service_.Cork(*this) : Flush();
  }
}

void SessionStream::Open() {
  if (request_->has_start()) {
    Start();
    return;
  }
  const auto token = ParseToken(request_->resume().token());
  if (!token) {
    Violations bad;
    bad.Add("resume.token", "must be 32 hexadecimal digits, got " +
                                std::to_string(request_->resume().token().size()) + " bytes");
    Fail(bad.ToError());
    return;
  }
  state_ = State::kComing;
  service_.Resume(*this, *token);
}

void SessionStream::Start() {
  const v1::StartSession& start = request_->start();
  Violations bad;
  const uint64_t linger_ms = start.has_linger()
                                 ? WithinMs("start.linger", start.linger(), 0, kMaxLingerMs, bad)
                                 : kDefaultLingerMs;
  CheckHolder(start.holder(), bad);
  if (!bad.empty()) return Fail(bad.ToError());
  if (service_.leases().shutting_down()) return Fail(ShuttingDown());
  session_ = service_.Begin(*this, linger_ms, start.holder());
  if (session_ == nullptr) return Fail(TooManySessions());
  Opened(false);
}

void SessionStream::Joined(ServedSession& session) {
  session_ = &session;
  Opened(true);
}

void SessionStream::Opened(bool resumed) {
  state_ = State::kOpen;
  v1::SessionOpened opened;
  opened.set_token(TokenText(session_->token));
  SetDuration(session_->linger_ms, *opened.mutable_linger());
  opened.set_resumed(resumed);
  opened.set_grants(static_cast<uint32_t>(session_->grants.size()));
  AppendPart(v1::SessionResponse::kOpenedFieldNumber, opened, collected_);
  Work(Now());
  Flush();
}

void SessionStream::Unknown() { Fail(SessionUnknown()); }

// The session has another stream already. What was not sent is lost to this one's client, who is
// most likely that one's.
void SessionStream::TakenOver() {
  ReturnUnsent(Now());
  session_ = nullptr;
  Detach(Now(), false);
  state_ = State::kOver;
  call_.Finish(ToCallStatus(SessionTakenOver()));
}

void SessionStream::Work(lease::BootMs now) {
  std::size_t done = 0;
  serving_ = true;
  while (state_ == State::kOpen && HasWork() && HasRoom() && done < kWorkPerTurn) {
    done += walk_ ? StepWalk(now) : Serve(*request_->mutable_operations(next_++), now);
  }
  serving_ = false;
  if (state_ != State::kOpen) return;
  if (!HasWork()) {
    request_.Reset();
    next_ = 0;
  }
  if (HasWork() && HasRoom()) service_.MakeBusy(*this);
}

void SessionStream::OnSent() {
  if (state_ != State::kOpen) return;
  Work(Now());
  Flush();
}

void SessionStream::OnGone() {
  Detach(Now(), true);
  state_ = State::kOver;
}

void SessionStream::OnTick() {
  if (state_ == State::kOver) return;
  // Of a client that has gone, gRPC tells the half close first.
  if (half_closed_ && std::exchange(is_there_, true)) {
    Close(state_ == State::kNew
              ? rpc::Status{rpc::Code::kInvalidArgument, "the call carries no request message", {}}
              : rpc::Status{},
          true);
  } else if (state_ == State::kNew && call_.now() > began_at_ + kOpeningNs) {
    Close({rpc::Code::kDeadlineExceeded, "the first message did not arrive in time", {}}, true);
  } else if (state_ == State::kOpen && service_.leases().shutting_down() && !told_drain_) {
    told_drain_ = true;
    v1::SessionNotice notice;
    notice.set_kind(v1::SESSION_NOTICE_KIND_DRAIN);
    AppendPart(v1::SessionResponse::kNoticesFieldNumber, notice, collected_);
    Flush();
  }
}

// What the session has stays with the client for as long as it runs: it may want it of the next
// server.
void SessionStream::OnShutdown() {
  if (state_ != State::kOver) Close(ToCallStatus(ShuttingDown()), false);
}

void SessionStream::Notice(const GrantNews& news) {
  v1::SessionNotice notice;
  notice.set_kind(news.kind);
  notice.set_pool(news.pool);
  notice.mutable_grant()->set_handle(news.ref.handle);
  notice.mutable_grant()->set_fence(news.ref.fence);
  if (news.kind == v1::SESSION_NOTICE_KIND_EXPIRING_SOON) {
    SetDuration(news.remaining_ms, *notice.mutable_remaining());
  } else {
    *notice.mutable_reason() = news.reason;
  }
  AppendPart(v1::SessionResponse::kNoticesFieldNumber, notice, collected_);
}

void SessionStream::Flush() {
  if (state_ == State::kOpen && !serving_ && !call_.sending() && OnDisk()) SendCollected();
}

// Whether the disk has what is collected; if not yet, Flush is called again when it has.
bool SessionStream::OnDisk() {
  if (ticket_ == 0) return true;
  const DiskAnswers& disk = service_.leases().disk();
  switch (disk.StateOf(ticket_)) {
    case store::GroupCommit::State::kPending:
      service_.AwaitDisk(*this);
      return false;
    case store::GroupCommit::State::kDone:
      ticket_ = 0;
      return true;
    case store::GroupCommit::State::kFailed:
      break;
  }
  // Nobody hears what the disk may not have.
  ticket_ = 0;
  collected_.clear();
  unnamed_.clear();
  Fail(DiskFailed(disk.why()));
  return false;
}

void SessionStream::SendCollected() {
  if (collected_.empty()) return;
  // Two messages at the most are under way: there is room for them.
  (void)call_.Send(collected_);
  unnamed_.clear();
  answers_.Reset();
  collected_.clear();
  if (collected_.capacity() > kKeptCollectedBytes) collected_.shrink_to_fit();
}

// The client hears of the end, and of all before it.
void SessionStream::Close(const rpc::Status& status, bool linger) {
  if (OnDisk()) SendCollected();
  if (state_ == State::kOver) return;
  Detach(Now(), linger);
  state_ = State::kOver;
  call_.Finish(status);
}

void SessionStream::Detach(lease::BootMs now, bool linger) {
  line_->stream = nullptr;  // leases that wait are cancelled
  walk_.reset();
  ReturnUnsent(now);
  if (session_ != nullptr) service_.Lose(*std::exchange(session_, nullptr), now, linger);
}

// Grants that nobody has heard of, and whom no repeated request would find.
void SessionStream::ReturnUnsent(lease::BootMs now) {
  constexpr lease::Disposition kAs = lease::Disposition::kAbandoned;
  for (const Unnamed& lost : std::exchange(unnamed_, {})) {
    const std::size_t before = session_->grants.size();
    (void)session_->grants.Remove(lost.pool, lost.ref.handle, lost.ref.fence);
    service_.directory().Count(before, session_->grants.size());
    NamedPool* const pool = service_.pools().Find(lost.pool);
    lease::Verdict verdict;
    if (pool == nullptr) continue;
    pool->leases->Return(worker_, std::span(&lost.ref, 1), now, std::span(&verdict, 1),
                         std::span(&kAs, 1));
  }
}

}  // namespace objpool::server
