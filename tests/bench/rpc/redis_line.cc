#include "tests/bench/rpc/redis_line.h"

#include <charconv>
#include <utility>

namespace objpool::bench {
namespace {

constexpr std::string_view kEnd = "\r\n";
constexpr int kAskMs = 10'000;

void AppendWord(std::string_view word, std::string& to) {
  to.append("$").append(std::to_string(word.size())).append(kEnd).append(word).append(kEnd);
}

// The number of a line that begins at `at`, which is moved behind it. False where it is not whole.
bool ReadLine(std::string_view bytes, std::size_t& at, int64_t& number) {
  const std::size_t end = bytes.find(kEnd, at);
  if (end == std::string_view::npos) return false;
  number = 0;
  std::from_chars(bytes.data() + at, bytes.data() + end, number);
  at = end + kEnd.size();
  return true;
}

// Moves `at` behind a value. False where it is not whole, or none.
bool PassValue(std::string_view bytes, std::size_t& at) {
  int64_t length = 0;
  std::size_t next = at + 1;
  if (at >= bytes.size() || bytes[at] != '$' || !ReadLine(bytes, next, length) || length < 0) {
    return false;
  }
  at = next + static_cast<std::size_t>(length) + kEnd.size();
  return at <= bytes.size();
}

}  // namespace

std::string RedisCommand(std::initializer_list<std::string_view> words) {
  std::string command = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string_view word : words) AppendWord(word, command);
  return command;
}

std::size_t ReadReply(std::string_view bytes, RedisReply& reply) {
  if (bytes.empty()) return 0;
  reply = {.type = bytes[0], .number = 0, .values = 0, .body = {}};
  std::size_t at = 1;
  if (!ReadLine(bytes, at, reply.number)) return 0;
  reply.body = bytes.substr(1, at - 1 - kEnd.size());
  if (reply.type != '$' && reply.type != '*') return at;
  const std::size_t body = reply.type == '*' ? at : 0;
  std::size_t end = body;
  const auto values = reply.type == '*' ? reply.number : int64_t{reply.number >= 0};
  for (int64_t i = 0; i < values; ++i) {
    if (!PassValue(bytes, end)) return 0;
    ++reply.values;
  }
  reply.body = bytes.substr(body, end - body);
  return std::max(at, end);
}

RedisLine::RedisLine(std::unique_ptr<load::ByteSocket> socket, const RedisScript& script,
                     uint32_t window, load::Tally& tally)
    : socket_(std::move(socket)), script_(script), window_(window), tally_(tally) {}

void RedisLine::Begin() {
  for (uint32_t i = 0; i < window_; ++i) Lease();
}

void RedisLine::Lease() {
  if (tally_.stopping) return;
  socket_->out().append(script_.lease);
  asked_.push_back({.lease = true, .began_ns = tally_.now_ns});
}

bool RedisLine::OnReadable(std::string& why) {
  for (bool more = true; more;) {
    if (!socket_->Read(more, why)) return false;
    RedisReply reply;
    while (const std::size_t bytes = ReadReply(socket_->in(), reply)) {
      if (!Take(reply, why)) return false;
      socket_->Consume(bytes);
    }
  }
  return true;
}

bool RedisLine::Take(const RedisReply& reply, std::string& why) {
  if (asked_.empty()) {
    why = "Redis answers what was not asked";
    return false;
  }
  const Asked asked = asked_.front();
  asked_.pop_front();
  const bool right = asked.lease ? reply.values == script_.batch
                     : script_.tells_count
                         ? reply.type == ':' && reply.number == static_cast<int64_t>(script_.batch)
                         : reply.type == ':' && reply.number >= static_cast<int64_t>(script_.batch);
  if (!right) {
    why = std::string("Redis answers a ") + (asked.lease ? "lease" : "return") + " with " +
          reply.type + std::string(reply.body.substr(0, 200));
    return false;
  }
  ++tally_.calls_ok;
  if (!asked.lease) {
    tally_.Cycle(asked.began_ns);
    Lease();
    return true;
  }
  std::string& out = socket_->out();
  out.append("*").append(std::to_string(script_.return_words + script_.batch)).append(kEnd);
  out.append(script_.return_head).append(reply.body);
  asked_.push_back({.lease = false, .began_ns = asked.began_ns});
  return true;
}

std::string AskRedis(const std::string& address, const std::string& command) {
  std::string why;
  const auto socket = load::ByteSocket::Connect(address, why);
  if (socket == nullptr) return "-" + why;
  socket->out().append(command);
  if (!socket->Flush(why)) return "-" + why;
  RedisReply reply;
  for (bool more = false; ReadReply(socket->in(), reply) == 0;) {
    if (!socket->WaitReadable(kAskMs)) return "-no answer";
    if (!socket->Read(more, why)) return "-" + why;
  }
  std::string text(reply.body);
  if (reply.type == '$') text = text.substr(text.find(kEnd) + kEnd.size());
  if (reply.type == '$') text.resize(text.size() - kEnd.size());
  return reply.type == '-' ? "-" + text : text;
}

}  // namespace objpool::bench
