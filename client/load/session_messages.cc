#include "client/load/session_messages.h"

#include "client/load/wire.h"

namespace objpool::load {
namespace {

// Field numbers: proto/objpool/v1/lease_service.proto and session.proto, google/rpc/status.proto.
constexpr uint32_t kRequestStart = 1;
constexpr uint32_t kRequestOperations = 3;
constexpr uint32_t kStartLinger = 1;
constexpr uint32_t kOperationId = 1;
constexpr uint32_t kResponseAnswers = 2;
constexpr uint32_t kAnswerId = 1;
constexpr uint32_t kAnswerError = 2;
constexpr uint32_t kStatusCode = 1;

bool ReadAnswer(std::string_view bytes, SessionAnswer& answer) {
  FieldWalk walk(bytes);
  for (Field field; walk.Next(field);) {
    if (field.number == kAnswerId) {
      answer.id = field.value;
    } else if (field.number == kAnswerError) {
      FieldWalk status(field.bytes);
      for (Field part; status.Next(part);) {
        if (part.number == kStatusCode) answer.status = static_cast<uint32_t>(part.value);
      }
    } else {
      answer.verb = static_cast<SessionVerb>(field.number - 1);
      answer.reply = field.bytes;
    }
  }
  return !walk.broken() && (answer.status != 0 || answer.verb != SessionVerb{});
}

}  // namespace

void AppendSessionStart(std::string& to) {
  std::string start;
  AppendBytes(kStartLinger, {}, start);  // a Duration of nothing
  AppendBytes(kRequestStart, start, to);
}

void AppendOperation(uint64_t id, SessionVerb verb, std::string_view request, std::string& to) {
  // Both tags are of one byte.
  AppendLength(kRequestOperations,
               1 + VarintBytes(id) + 1 + VarintBytes(request.size()) + request.size(), to);
  AppendNumber(kOperationId, id, to);
  AppendBytes(static_cast<uint32_t>(verb), request, to);
}

bool ReadAnswers(std::string_view response, std::vector<SessionAnswer>& answers) {
  answers.clear();
  FieldWalk walk(response);
  for (Field field; walk.Next(field);) {
    if (field.number != kResponseAnswers) continue;
    if (!ReadAnswer(field.bytes, answers.emplace_back())) return false;
  }
  return !walk.broken();
}

}  // namespace objpool::load
