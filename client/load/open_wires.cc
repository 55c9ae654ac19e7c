#include "client/load/open_wires.h"

#include <algorithm>
#include <utility>

#include "client/load/lease_messages.h"

namespace objpool::load {
namespace {

constexpr uint32_t kCalls = 100;  // of a connection, at once
// Operations that leave together are one message, of so many bytes at most; a longer one, that of
// 1024 grants, is one by itself. HTTP/2's first window has room for either.
constexpr std::size_t kMostSaid = 32'000;
// An operation's id is that of its place and verb.
constexpr uint64_t kVerbs = 8;

SessionVerb VerbOf(OpenWires::Method method) {
  switch (method) {
    case OpenWires::kLease:
      return SessionVerb::kLease;
    case OpenWires::kReturn:
      return SessionVerb::kGiveBack;
    case OpenWires::kRenew:
      return SessionVerb::kRenew;
  }
  return {};
}

// Below that, the loop looks at its sockets until it is time, because waking up takes as long.
constexpr uint64_t kSpinNs = 60'000;
// A server that is away is looked for so often, and for so long.
constexpr uint64_t kTryEveryNs = 20'000'000;
constexpr uint64_t kReconnectPatienceNs = 30'000'000'000;

}  // namespace

bool OpenWires::Open(Wire& wire, std::string& why) {
  std::vector<std::string> paths = {std::string(kLeasePath), std::string(kReturnPath),
                                    std::string(kRenewPath)};
  if (options_.stream) paths = {std::string(kSessionPath)};
  wire.connection =
      FrameConnection::Connect(options_.address, paths, options_.stream ? 1 : kCalls, wire, why);
  if (wire.connection == nullptr) return false;
  if (options_.stream) {
    wire.connection->Open(0, 0);
    AppendSessionStart(wire.said);
  }
  wire.owners.assign(kCalls, kNobody);
  wire.replies.resize(kCalls);
  wire.free.clear();
  for (uint32_t place = 0; place < kCalls; ++place) wire.free.push_back(place);
  wire.wants_writable = false;
  events_.Add(wire.connection->fd(), wire.number);
  return true;
}

bool OpenWires::Connect(Owner& owner, std::string& why) {
  owner_ = &owner;
  for (uint32_t number = 0; number < options_.count; ++number) {
    wires_.push_back(std::make_unique<Wire>(*this, number));
    if (!Open(*wires_.back(), why)) return false;
  }
  const uint32_t split = options_.for_leases;
  groups_[0].count = split == 0 ? options_.count : split;
  groups_[1].first = split;
  groups_[1].count = options_.count - split;
  now_ns_ = EventLoop::NowNs();
  return true;
}

OpenWires::Group& OpenWires::GroupOf(Side side) {
  return groups_[options_.for_leases != 0 && side == Side::kOthers ? 1 : 0];
}

void OpenWires::Ask(uint32_t number, Side side) {
  Group& group = GroupOf(side);
  if (!TryAsk(number, group)) group.waiting.push_back(number);
}

bool OpenWires::TryAsk(uint32_t number, Group& group) {
  for (uint32_t tried = 0; tried < group.count; ++tried) {
    Wire& wire = *wires_[group.first + (group.next++ % group.count)];
    if (wire.free.empty()) continue;
    Send(wire, number);
    return true;
  }
  return false;
}

void OpenWires::ServeWaiting(Group& group) {
  while (!group.waiting.empty()) {
    if (!TryAsk(group.waiting.front(), group)) return;
    group.waiting.pop_front();
  }
}

void OpenWires::Send(Wire& wire, uint32_t number) {
  const uint32_t place = wire.free.back();
  wire.free.pop_back();
  wire.owners[place] = number;
  wire.replies[place].clear();
  wire.touched = true;
  message_.clear();
  const Method method = owner_->Prepare(number, message_);
  if (options_.stream) return Say(wire, place, method);
  wire.connection->Call(place, method, message_);
}

void OpenWires::Say(Wire& wire, uint32_t place, Method method) {
  if (wire.said.size() + message_.size() > kMostSaid) SendSaid(wire);
  const SessionVerb verb = VerbOf(method);
  AppendOperation((place * kVerbs) + static_cast<uint64_t>(verb), verb, message_, wire.said);
}

void OpenWires::SendSaid(Wire& wire) {
  if (!wire.said.empty()) wire.connection->Send(0, wire.said);
  wire.said.clear();
}

void OpenWires::TakeAnswers(Wire& wire, std::string_view message) {
  if (!ReadAnswers(message, answers_)) return Fail("an answer of a session cannot be read");
  for (const SessionAnswer& answer : answers_) {
    const uint64_t place = answer.id / kVerbs;
    const bool asked = place < kCalls && wire.owners[place] != kNobody;
    const bool fits =
        answer.status != 0 || answer.id % kVerbs == static_cast<uint64_t>(answer.verb);
    if (!asked || !fits) return Fail("a session answers what was not asked");
    wire.replies[place].assign(answer.reply);
    OnEnd(wire, static_cast<uint32_t>(place), answer.status);
  }
}

void OpenWires::OnSessionEnd(uint32_t status) {
  Fail("a session ended with grpc-status " + std::to_string(status));
}

// The place is free again once its owner has read the reply.
void OpenWires::OnEnd(Wire& wire, uint32_t place, uint32_t status) {
  const uint32_t number = std::exchange(wire.owners[place], kNobody);
  owner_->OnAnswer(number, wire.number, status, wire.replies[place]);
  wire.free.push_back(place);
  const bool leases = wire.number < groups_[0].first + groups_[0].count;
  ServeWaiting(groups_[leases ? 0 : 1]);
}

void OpenWires::Lose(Wire& wire, Breaker breaker) {
  wire.connection.reset();
  wire.said.clear();
  wire.free.clear();
  wire.touched = false;
  for (const uint32_t number : std::exchange(wire.owners, {})) {
    if (number != kNobody) owner_->OnLost(number, breaker);
  }
}

void OpenWires::OnBroken(Wire& wire) {
  if (!options_.reconnects) return Fail(wire.connection->error());
  Lose(wire, Breaker::kServer);
  if (down_++ != 0) return;
  down_since_ns_ = now_ns_;
  try_at_ns_ = now_ns_;
}

// Looks for a server that has broken connections.
void OpenWires::Mend() {
  if (down_ == 0 || now_ns_ < try_at_ns_) return;
  std::string why;
  for (const auto& wire : wires_) {
    if (wire->connection != nullptr) continue;
    if (!Open(*wire, why)) break;
    --down_;
    ++reconnects_;
  }
  now_ns_ = EventLoop::NowNs();
  try_at_ns_ = now_ns_ + kTryEveryNs;
  if (down_ != 0 && now_ns_ - down_since_ns_ > kReconnectPatienceNs) return Fail(why);
  for (Group& group : groups_) ServeWaiting(group);
}

void OpenWires::Break(uint32_t number) {
  Wire& wire = *wires_[number];
  if (wire.connection == nullptr) return;
  Lose(wire, Breaker::kClient);
  std::string why;
  if (!Open(wire, why)) return Fail(why);
  for (Group& group : groups_) ServeWaiting(group);
}

void OpenWires::Flush() {
  for (const auto& wire : wires_) {
    if (!std::exchange(wire->touched, false)) continue;
    SendSaid(*wire);
    if (!wire->connection->Flush()) {
      OnBroken(*wire);
      continue;
    }
    const bool wants = wire->connection->has_unsent();
    if (wants != std::exchange(wire->wants_writable, wants)) {
      events_.WantWritable(wire->connection->fd(), wire->number, wants);
    }
  }
}

bool OpenWires::Turn(uint64_t until_ns, std::string& why) {
  Flush();
  Mend();
  if (down_ != 0) until_ns = std::min(until_ns, try_at_ns_);
  const uint64_t left_ns = until_ns > now_ns_ ? until_ns - now_ns_ : 0;
  const uint64_t sleep_ns = left_ns > kSpinNs ? left_ns - kSpinNs : 0;
  events_.Turn(std::chrono::nanoseconds(sleep_ns), [&](uint32_t number) {
    now_ns_ = EventLoop::NowNs();
    Wire& wire = *wires_[number];
    if (wire.connection == nullptr) return;
    wire.touched = true;
    if (!wire.connection->OnReadable()) OnBroken(wire);
  });
  now_ns_ = EventLoop::NowNs();
  why = broken_;
  return broken_.empty();
}

}  // namespace objpool::load
