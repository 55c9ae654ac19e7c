#include "client/load/session_talk.h"

#include <utility>

#include "client/load/lease_script.h"

namespace objpool::load {

SessionTalk::SessionTalk(SessionTalkOptions options, Tally& tally)
    : options_(std::move(options)),
      lease_(LeaseRequestBytes(options_.pool, 1)),
      tally_(tally),
      cycles_(options_.window) {}

void SessionTalk::Begin(FrameConnection& connection) {
  connection_ = &connection;
  connection_->Open(0, 0);
  AppendSessionStart(message_);
  SendMessage();
  running_ = options_.window;
  for (uint64_t id = 0; id < options_.window; ++id) BeginCycle(id);
  AfterBurst();
}

void SessionTalk::BeginCycle(uint64_t id) {
  if (tally_.stopping) {
    --running_;
    return;
  }
  cycles_[id] = {.leased = false, .began_ns = tally_.now_ns};
  Operation(id, SessionVerb::kLease, lease_);
}

void SessionTalk::Operation(uint64_t id, SessionVerb verb, std::string_view request) {
  AppendOperation(id, verb, request, message_);
  if (!options_.folded) SendMessage();
}

void SessionTalk::SendMessage() {
  if (message_.empty()) return;
  connection_->Send(0, message_);
  message_.clear();
}

void SessionTalk::AfterBurst() {
  if (tally_.stopping) Stop();
  if (!over_) SendMessage();
}

void SessionTalk::Stop() {
  if (running_ != 0 || over_ || std::exchange(goodbye_, true)) return;
  Operation(options_.window, SessionVerb::kGoodbye, {});
  SendMessage();
}

void SessionTalk::OnMessage(uint32_t /*place*/, std::string_view message) {
  if (!ReadAnswers(message, answers_)) tally_.Broken("an answer of the session cannot be read");
  for (const SessionAnswer& answer : answers_) {
    std::string why;
    if (!TakeAnswer(answer, why)) tally_.Broken(std::move(why));
  }
}

bool SessionTalk::TakeAnswer(const SessionAnswer& answer, std::string& why) {
  const bool good = answer.status == 0;
  if (answer.id < options_.window) {
    if (!good) {
      tally_.Failed("an operation of a session failed");
      BeginCycle(answer.id);
      return true;
    }
    if (answer.verb == SessionVerb::kLease) return TakeLease(answer.id, answer.reply, why);
    if (answer.verb == SessionVerb::kGiveBack) return TakeReturn(answer.id, answer.reply, why);
  }
  const bool goodbye = goodbye_ && answer.id == options_.window && good;
  if (!goodbye || answer.verb != SessionVerb::kGoodbye) {
    why = "the session answers what was not asked";
  } else if (!answer.reply.empty()) {
    // How many grants it had, where it had any.
    why = "the session had grants when all were returned";
  }
  return why.empty();
}

bool SessionTalk::TakeLease(uint64_t id, std::string_view response, std::string& why) {
  if (std::exchange(cycles_[id].leased, true)) {
    why = "a lease of the session was answered twice";
    return false;
  }
  if (!TakeGrants(response, 1, fences_, grants_, why)) return false;
  ++tally_.calls_ok;
  request_.clear();
  AppendReturnRequest(options_.pool, grants_, request_);
  Operation(id, SessionVerb::kGiveBack, request_);
  return true;
}

bool SessionTalk::TakeReturn(uint64_t id, std::string_view response, std::string& why) {
  if (!cycles_[id].leased || !SaysAllReturned(response, 1)) {
    why = "a return of the session did not bring the handle back";
    return false;
  }
  ++tally_.calls_ok;
  tally_.Cycle(cycles_[id].began_ns);
  BeginCycle(id);
  return true;
}

void SessionTalk::OnEnd(uint32_t /*place*/, uint32_t status) {
  over_ = true;
  if (status != 0 || !goodbye_) {
    tally_.Broken("the session ended with grpc-status " + std::to_string(status));
  }
}

}  // namespace objpool::load
