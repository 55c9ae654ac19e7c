#include "client/load/session_talk.h"

#include <span>
#include <utility>

#include "client/load/lease_script.h"
#include "client/load/wire.h"

namespace objpool::load {
namespace {

// Field numbers: proto/objpool/v1/lease_service.proto.
constexpr uint32_t kRequestStart = 1;
constexpr uint32_t kRequestOperations = 3;
constexpr uint32_t kOperationId = 1;
constexpr uint32_t kOperationLease = 2;
constexpr uint32_t kOperationGiveBack = 3;
constexpr uint32_t kOperationGoodbye = 8;
constexpr uint32_t kResponseAnswers = 2;
constexpr uint32_t kAnswerId = 1;
constexpr uint32_t kAnswerError = 2;
constexpr uint32_t kAnswerLease = 3;
constexpr uint32_t kAnswerGiveBack = 4;
constexpr uint32_t kAnswerGoodbye = 9;

}  // namespace

SessionTalk::SessionTalk(SessionTalkOptions options, Tally& tally)
    : options_(std::move(options)),
      lease_(LeaseRequestBytes(options_.pool, 1)),
      tally_(tally),
      cycles_(options_.window) {}

void SessionTalk::Begin(FrameConnection& connection) {
  connection_ = &connection;
  connection_->Open(0, 0);
  AppendBytes(kRequestStart, {}, message_);
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
  Operation(id, kOperationLease, lease_);
}

void SessionTalk::Operation(uint64_t id, uint32_t kind, std::string_view request) {
  operation_.clear();
  AppendNumber(kOperationId, id, operation_);
  AppendBytes(kind, request, operation_);
  AppendBytes(kRequestOperations, operation_, message_);
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
  Operation(options_.window, kOperationGoodbye, {});
  SendMessage();
}

void SessionTalk::OnMessage(uint32_t /*place*/, std::string_view message) {
  FieldWalk walk(message);
  for (Field field; walk.Next(field);) {
    if (field.number == kResponseAnswers) TakeAnswer(field.bytes);
  }
  if (walk.broken()) tally_.Broken("an answer of the session cannot be read");
}

void SessionTalk::TakeAnswer(std::string_view answer) {
  uint64_t id = 0;
  Field said{};
  FieldWalk walk(answer);
  for (Field field; walk.Next(field);) {
    if (field.number == kAnswerId) {
      id = field.value;
    } else {
      said = field;
    }
  }
  std::string why;
  const bool goodbye = goodbye_ && id == options_.window && said.number == kAnswerGoodbye;
  if (walk.broken() || (id >= options_.window && !goodbye)) {
    why = "an answer of the session cannot be read";
  } else if (goodbye) {
    // How many grants it had, where it had any.
    if (!said.bytes.empty()) why = "the session had grants when all were returned";
  } else if (said.number == kAnswerError) {
    tally_.Failed("an operation of a session failed");
    BeginCycle(id);
  } else if (said.number == kAnswerLease) {
    (void)TakeLease(id, said.bytes, why);
  } else if (said.number == kAnswerGiveBack) {
    (void)TakeReturn(id, said.bytes, why);
  } else {
    why = "the session answers what was not asked";
  }
  if (!why.empty()) tally_.Broken(std::move(why));
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
  Operation(id, kOperationGiveBack, request_);
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
