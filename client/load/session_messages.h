// The messages of LeaseService.Session that a load sends and reads, as bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace objpool::load {

// What an operation asks, by its field of SessionOperation; the answer's field is the next one.
enum class SessionVerb : uint32_t { kLease = 2, kGiveBack = 3, kRenew = 4, kGoodbye = 8 };

// Appends to a SessionRequest that it begins a session, which ends as soon as its stream does.
void AppendSessionStart(std::string& to);
// Likewise an operation, whose request is a message of the call of that name.
void AppendOperation(uint64_t id, SessionVerb verb, std::string_view request, std::string& to);

struct SessionAnswer {
  uint64_t id = 0;
  uint32_t status = 0;          // not 0: it was refused with this grpc-status
  SessionVerb verb{};           // else what is answered
  std::string_view reply = {};  // with this message, in the bytes that were read
};
// Puts the answers of a SessionResponse into `answers`, instead of what was there. False where the
// bytes are not such a message, or an answer says nothing.
[[nodiscard]] bool ReadAnswers(std::string_view response, std::vector<SessionAnswer>& answers);

}  // namespace objpool::load
