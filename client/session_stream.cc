// A session's threads: one opens streams and sends, one reads.
#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <utility>

#include "client/channel.h"
#include "client/session.h"

namespace objpool::client {
namespace {

// Operations of so many bytes are on their way without an answer, beside those that wait: a server
// that does not read must not block the thread that sends, and a stream's window is 64 KiB.
constexpr std::size_t kMaxSentBytes = std::size_t{32} * 1024;
constexpr int kMaxOperations = 1024;
// Of one message: the server takes no more than 256 KiB.
constexpr std::size_t kMaxMessageBytes = std::size_t{64} * 1024;
// Answers to heartbeats may take so long whatever the grants' time is.
constexpr Milliseconds kLeastQuiet{100};
constexpr Milliseconds kLeastBeat{5};
// The id of heartbeats.
constexpr uint64_t kHeartbeatId = 0;

}  // namespace

void Session::Run() {
  uint32_t failed = 0;
  while (true) {
    const Error error = LiveOneStream();
    Lock lock(mutex_);
    if (!MayGoOn(error)) {
      lock.unlock();
      End(error);
      return;
    }
    failed = answered_ ? 1 : failed + 1;
    const Milliseconds pause = PauseAfter(failed, error, server_.retry, RandomNumber());
    // Whatever the server asks for: there is not more time than this.
    (void)wake_.wait_for(lock, std::min(pause, options_.linger / 4), [&] { return closing_; });
  }
}

bool Session::MayGoOn(const Error& error) const {
  if (closing_ || token_.empty() || LeaseClock::now() >= contact_ + options_.linger) return false;
  // What has no reason was not the server's word: a stream that broke, or that was given up.
  return error.reason.empty() || MayRepeat(error);
}

Error Session::LiveOneStream() {
  // A connection of its own each time, because the one before may hang.
  ClientOptions server = server_;
  server.own_connection = true;
  const std::shared_ptr<grpc::Channel> channel = MakeChannel(server, ConnectLimit());
  const auto stub = v1::LeaseService::NewStub(channel);
  grpc::ClientContext context;
  v1::SessionRequest request = Opening(context);
  const auto stream = stub->Session(&context);
  std::thread reader([&] {
    v1::SessionResponse response;
    while (stream->Read(&response)) Took(response);
    const std::lock_guard lock(mutex_);
    broken_ = true;
    wake_.notify_all();
  });
  while (stream->Write(request) && AwaitMessage(request)) continue;
  reader.join();
  const grpc::Status status = stream->Finish();
  const std::lock_guard lock(mutex_);
  context_ = nullptr;
  return ErrorOf(status, channel->GetState(false) == GRPC_CHANNEL_READY);
}

v1::SessionRequest Session::Opening(grpc::ClientContext& context) {
  const std::lock_guard lock(mutex_);
  context_ = &context;
  ++streams_;
  broken_ = false;
  answered_ = false;
  opened_at_ = LeaseClock::now();
  heartbeat_sent_ = Time();
  next_heartbeat_ = opened_at_;
  sent_bytes_ = 0;
  again_.clear();
  to_send_.clear();
  for (const auto& [id, pending] : pending_) to_send_.push_back(id);
  v1::SessionRequest request;
  if (token_.empty()) {
    *request.mutable_start()->mutable_linger() = ProtoDuration(options_.linger);
    request.mutable_start()->set_holder(options_.holder);
  } else {
    request.mutable_resume()->set_token(token_);
  }
  AddHeartbeat(request, opened_at_);
  Pack(request);
  return request;
}

// No longer than an answer may take. While the first one opens, there is the whole time of a call.
Milliseconds Session::ConnectLimit() const {
  const std::lock_guard lock(mutex_);
  if (token_.empty()) return server_.timeout;
  return std::chrono::ceil<Milliseconds>(std::max<LeaseClock::duration>(Beat(), kLeastQuiet));
}

LeaseClock::duration Session::Beat() const { return std::max(least_ttl_ / 3, kLeastBeat); }

bool Session::Quiet(Time now) const {
  return heartbeat_sent_ != Time() &&
         now - heartbeat_sent_ > std::max<LeaseClock::duration>(Beat(), kLeastQuiet);
}

bool Session::AwaitMessage(v1::SessionRequest& request) {
  request.Clear();
  Lock lock(mutex_);
  while (true) {
    const Time now = LeaseClock::now();
    if (broken_) return false;
    if (Quiet(now)) {
      context_->TryCancel();
      return false;
    }
    if (heartbeat_sent_ == Time() && now >= next_heartbeat_) AddHeartbeat(request, now);
    Pack(request);
    if (request.operations_size() != 0) return true;
    const LeaseClock::duration wait = heartbeat_sent_ != Time()
                                          ? std::max<LeaseClock::duration>(Beat(), kLeastQuiet)
                                          : next_heartbeat_ - now;
    (void)wake_.wait_for(lock, std::min(wait, Beat()));
  }
}

void Session::AddHeartbeat(v1::SessionRequest& request, Time now) {
  v1::SessionOperation& operation = *request.add_operations();
  operation.set_id(kHeartbeatId);
  operation.mutable_heartbeat();
  heartbeat_sent_ = now;
  next_heartbeat_ = now + Beat();
  to_send_.insert(to_send_.end(), again_.begin(), again_.end());
  again_.clear();
}

void Session::Pack(v1::SessionRequest& request) {
  const Time now = LeaseClock::now();
  std::size_t bytes = 0;
  while (!to_send_.empty() && request.operations_size() < kMaxOperations &&
         bytes < kMaxMessageBytes) {
    const auto found = pending_.find(to_send_.front());
    if (found != pending_.end()) {
      Pending& pending = found->second;
      if (!pending.waits && sent_bytes_ >= kMaxSentBytes) return;
      bytes += pending.operation.ByteSizeLong();
      if (!pending.waits) sent_bytes_ += pending.operation.ByteSizeLong();
      pending.sent = now;
      pending.stream = streams_;
      if (pending.first_stream == 0) pending.first_stream = streams_;
      *request.add_operations() = pending.operation;
    }
    to_send_.pop_front();
  }
}

void Session::Took(const v1::SessionResponse& response) {
  Calls calls;
  Time renewed;
  {
    const std::lock_guard lock(mutex_);
    answered_ = true;
    if (response.has_opened()) {
      if (token_.empty()) {
        contact_ = opened_at_;
        held_until_ = opened_at_ + least_ttl_;
      }
      token_ = response.opened().token();
    }
    for (const v1::SessionAnswer& answer : response.answers()) TookAnswer(answer, calls, renewed);
    for (const v1::SessionNotice& notice : response.notices()) TookNotice(notice, calls);
    wake_.notify_all();
  }
  for (const auto& call : calls) call();
  if (renewed == Time()) return;
  // Only now: who sees that the grants are held again has been told of those that are not.
  const std::lock_guard lock(mutex_);
  held_until_ = renewed + least_ttl_;
}

void Session::TookAnswer(const v1::SessionAnswer& answer, Calls& calls, Time& renewed) {
  if (answer.id() == kHeartbeatId) {
    TookHeartbeat(answer, calls, renewed);
    return;
  }
  const auto found = pending_.find(answer.id());
  if (found == pending_.end() || found->second.stream != streams_) return;
  Pending& pending = found->second;
  contact_ = std::max(contact_, pending.sent);
  if (!pending.waits) sent_bytes_ -= pending.operation.ByteSizeLong();
  Error error;
  if (answer.has_error()) error = ErrorOf(answer.error());
  // The stream before this one has not let go of it yet.
  if (error.reason == "REQUEST_PENDING" && pending.first_stream != streams_) {
    pending.stream = 0;
    again_.push_back(answer.id());
    return;
  }
  if (pending.waits) --waiting_;
  calls.push_back([done = std::move(pending.done), error, answer, sent = pending.sent] {
    done(error, answer, sent);
  });
  pending_.erase(found);
}

void Session::TookHeartbeat(const v1::SessionAnswer& answer, Calls& calls, Time& renewed) {
  if (heartbeat_sent_ == Time()) return;
  contact_ = std::max(contact_, heartbeat_sent_);
  if (!answer.has_error()) renewed = heartbeat_sent_;
  heartbeat_sent_ = Time();
  for (const v1::LostGrant& lost : answer.heartbeat().lost()) {
    v1::SessionNotice notice;
    notice.set_kind(v1::SESSION_NOTICE_KIND_ENDED);
    notice.set_pool(lost.pool());
    *notice.mutable_grant() = lost.grant();
    *notice.mutable_reason() = lost.reason();
    TookNotice(notice, calls);
  }
}

void Session::TookNotice(const v1::SessionNotice& notice, Calls& calls) {
  if (!options_.on_notice) return;
  calls.push_back([this, notice] { options_.on_notice(notice); });
}

void Session::End(const Error& why) {
  std::map<uint64_t, Pending> left;
  Error error = why;
  bool lost = false;
  {
    const std::lock_guard lock(mutex_);
    lost = !closing_ && !token_.empty();
    if (closing_ || error.ok()) {
      error = {};
      error.code = grpc::StatusCode::CANCELLED;
      error.message = "the session is over";
    }
    over_ = true;
    why_over_ = error;
    left.swap(pending_);
    waiting_ = 0;
    wake_.notify_all();
  }
  for (const auto& [id, pending] : left) pending.done(error, {}, Time());
  if (lost && options_.on_lost) options_.on_lost(error);
}

}  // namespace objpool::client
