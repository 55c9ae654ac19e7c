#include "client/load/open_cycles.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace objpool::load {
namespace {

using Answer = Ledger::Answer;

// Of so many cycles, one also returns once more, and one with a wrong key.
constexpr uint64_t kProbeEvery = 16;
constexpr uint32_t kExhausted = 8;  // RESOURCE_EXHAUSTED

// Of a call that ended otherwise than well.
Answer AnswerOf(uint32_t status) {
  switch (status) {
    case 5:
      return Answer::kGone;
    case 7:
      return Answer::kNotHolder;
    case 9:
      return Answer::kStale;
    default:
      return Answer::kFailed;
  }
}

// Only the error of a single item is that of its call.
Answer ReturnAnswer(uint32_t status, std::string_view reply, std::size_t items) {
  if (status != 0) return items == 1 ? AnswerOf(status) : Answer::kFailed;
  if (items == 1 && SaysAlreadyReturned(reply)) return Answer::kAlreadyReturned;
  return SaysAllReturned(reply, items) ? Answer::kReturned : Answer::kOther;
}

Answer RenewAnswer(uint32_t status, std::string_view reply, std::size_t grants) {
  if (status != 0) return grants == 1 ? AnswerOf(status) : Answer::kFailed;
  return SaysAllRenewed(reply, grants) ? Answer::kReturned : Answer::kOther;
}

}  // namespace

OpenCycles::OpenCycles(const OpenLoopOptions& options, OpenLoopResult& result, OpenWires& wires,
                       const OpenLoopTimes& times)
    : options_(options),
      result_(result),
      wires_(wires),
      times_(times),
      lease_(LeaseRequestBytes(options.pool, options.batch, options.ttl_ms)),
      holds_(options.seed + 1) {}

uint64_t OpenCycles::HoldNs() {
  const auto mean = static_cast<double>(options_.hold.count());
  switch (options_.hold_times) {
    case HoldTimes::kFixed:
      return static_cast<uint64_t>(mean);
    case HoldTimes::kUniform:
      return static_cast<uint64_t>(std::uniform_real_distribution<double>(0, 2)(holds_) * mean);
    case HoldTimes::kExponential:
      return static_cast<uint64_t>(std::exponential_distribution<double>(1)(holds_) * mean);
  }
  return 0;
}

// The first multiple of a time after now, counted from the beginning.
uint64_t OpenCycles::NextOf(uint64_t period_ns) const {
  return times_.begin_ns + (((now_ns() - times_.begin_ns) / period_ns + 1) * period_ns);
}

void OpenCycles::Begin(uint64_t due_ns) {
  if (free_.empty() && cycles_.size() == options_.most_cycles) {
    ++result_.dropped;
    return;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(cycles_.size()));
    cycles_.emplace_back();
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  Cycle& cycle = cycles_[number];
  cycle.step = Step::kLease;
  cycle.due_ns = due_ns;
  cycle.repeats = false;
  cycle.measured = due_ns >= times_.measure_from_ns && due_ns < times_.measure_to_ns;
  cycle.probes = options_.ledger != nullptr && result_.begun % kProbeEvery == 0;
  if (cycle.measured) result_.late_ns.Record(now_ns() - due_ns);
  ++result_.begun;
  ++second_.begun;
  Ask(number);
}

void OpenCycles::Ask(uint32_t number) {
  const bool leases = cycles_[number].step == Step::kLease;
  wires_.Ask(number, leases ? OpenWires::Side::kLeases : OpenWires::Side::kOthers);
}

OpenWires::Method OpenCycles::Prepare(uint32_t number, std::string& message) {
  Cycle& cycle = cycles_[number];
  cycle.sent_ns = now_ns();
  if (cycle.step == Step::kLease) {
    if (options_.ledger != nullptr) cycle.number = options_.ledger->BeginLease(options_.batch);
    message.append(lease_);
    return OpenWires::kLease;
  }
  (void)ReadGrants(cycle.grants, grants_);  // it was read before
  const std::span<const GrantBytes> all = grants_;
  if (cycle.step == Step::kRenew) {
    AppendRenewRequest(options_.pool, all, options_.ttl_ms, message);
    return OpenWires::kRenew;
  }
  const bool whole = cycle.step == Step::kReturn;
  if (whole && options_.ledger != nullptr) options_.ledger->BeginReturn(all);
  AppendReturnRequest(options_.pool, whole ? all : all.first(1), message);
  // The key is what a ref ends with, and the ref what the request does.
  if (cycle.step == Step::kForged) message.back() = static_cast<char>(message.back() ^ 1);
  return OpenWires::kReturn;
}

void OpenCycles::Failed(uint32_t status) {
  ++second_.failed;
  if (result_.failed++ != 0) return;
  result_.first_failure = status == FrameConnection::kNoStatus
                              ? "a call ended without a status"
                              : "a call ended with grpc-status " + std::to_string(status);
}

void OpenCycles::OnAnswer(uint32_t number, uint32_t wire, uint32_t status, std::string& reply) {
  switch (cycles_[number].step) {
    case Step::kLease:
      cycles_[number].wire = wire;
      return OnLease(number, status, reply);
    case Step::kRenew:
      return OnRenew(number, status, reply);
    default:
      return OnReturn(number, status, reply);
  }
}

void OpenCycles::OnLease(uint32_t number, uint32_t status, std::string& reply) {
  Cycle& cycle = cycles_[number];
  Ledger* const ledger = options_.ledger;
  const Ledger::LeaseCall call = {.number = cycle.number,
                                  .count = options_.batch,
                                  .sent_ns = cycle.sent_ns,
                                  .answered_ns = now_ns()};
  if (status == kExhausted) {
    ++result_.exhausted;
    ++second_.exhausted;
    if (ledger != nullptr) ledger->Exhausted(call);
    return End(number);
  }
  if (status != 0) {
    Failed(status);
    if (ledger != nullptr) ledger->LeaseFailed(call);
    return End(number);
  }
  cycle.grants.swap(reply);
  if (!ReadGrants(cycle.grants, grants_)) {
    wires_.Fail("a lease was answered with something else");
    return End(number);
  }
  if (ledger != nullptr) ledger->Leased(call, grants_, ReadTtlMs(cycle.grants));
  ++second_.leased;
  second_ns_->Record(now_ns() - cycle.due_ns);
  if (cycle.measured) result_.lease_ns.Record(now_ns() - cycle.due_ns);
  Held(cycle);
  HoldOn(number);
}

// It holds from now on.
void OpenCycles::Held(Cycle& cycle) {
  const uint64_t together_ns = CountNs(options_.return_together);
  cycle.return_ns = together_ns != 0 ? NextOf(together_ns) : now_ns() + HoldNs();
  if (options_.return_rate > 0) cycle.return_ns = UINT64_MAX;
  cycle.renews = options_.renews;
  cycle.due_ns = now_ns();
}

// To the next renewal, or to the return.
void OpenCycles::HoldOn(uint32_t number) {
  Cycle& cycle = cycles_[number];
  uint64_t renew_ns = cycle.return_ns;
  if (options_.renew_together.count() != 0) {
    renew_ns = NextOf(CountNs(options_.renew_together));
  } else if (cycle.renews != 0 && cycle.return_ns > cycle.due_ns) {
    renew_ns = cycle.due_ns + ((cycle.return_ns - cycle.due_ns) / (cycle.renews + 1));
    --cycle.renews;
  }
  if (renew_ns < cycle.return_ns) return Wait(number, Step::kRenew, renew_ns);
  Wait(number, cycle.probes ? Step::kForged : Step::kReturn, cycle.return_ns);
}

void OpenCycles::OnRenew(uint32_t number, uint32_t status, const std::string& reply) {
  Cycle& cycle = cycles_[number];
  if (options_.ledger != nullptr) {
    (void)ReadGrants(cycle.grants, grants_);
    options_.ledger->Renewed({.sent_ns = cycle.sent_ns, .answered_ns = now_ns()}, grants_,
                             RenewAnswer(status, reply, grants_.size()), ReadTtlMs(reply));
  }
  if (status == 0) {
    ++second_.renewed;
    if (cycle.measured) result_.renew_ns.Record(now_ns() - cycle.due_ns);
  } else {
    Failed(status);
  }
  HoldOn(number);
}

void OpenCycles::OnReturn(uint32_t number, uint32_t status, const std::string& reply) {
  Cycle& cycle = cycles_[number];
  (void)ReadGrants(cycle.grants, grants_);
  Ledger* const ledger = options_.ledger;
  if (cycle.step == Step::kForged) {
    ledger->Forged(grants_.front(), ReturnAnswer(status, reply, 1), now_ns());
    return Wait(number, Step::kReturn, now_ns());
  }
  if (cycle.step == Step::kRepeated) {
    ledger->Repeated(grants_.front(), ReturnAnswer(status, reply, 1));
    return End(number);
  }
  Answer answer = ReturnAnswer(status, reply, grants_.size());
  // Then nobody knows which of the two calls did it.
  if (cycle.repeats && answer != Answer::kReturned) answer = Answer::kFailed;
  if (ledger != nullptr) ledger->Returned(grants_, answer, now_ns());
  if (status != 0) {
    Failed(status);
  } else {
    ++second_.returned;
    if (cycle.measured) {
      ++result_.cycles;
      result_.return_ns.Record(now_ns() - cycle.due_ns);
    }
  }
  if (cycle.probes && !cycle.repeats) return Wait(number, Step::kRepeated, now_ns());
  End(number);
}

// The server's end of a connection: what can be said again is, because it is held still. The
// client's end: it is no more, and nothing is said.
void OpenCycles::OnLost(uint32_t number, OpenWires::Breaker breaker) {
  Cycle& cycle = cycles_[number];
  ++result_.lost;
  if (cycle.step == Step::kLease) {
    result_.in_doubt += options_.batch;
    if (options_.ledger != nullptr) {
      options_.ledger->LeaseFailed({.number = cycle.number, .count = options_.batch});
    }
    return End(number);
  }
  if (cycle.step == Step::kRepeated) return End(number);
  cycle.repeats |= cycle.step == Step::kReturn;
  if (breaker == OpenWires::Breaker::kServer) return Ask(number);
  if (!cycle.repeats) return Abandon(number);
  (void)ReadGrants(cycle.grants, grants_);
  result_.in_doubt += grants_.size();
  if (options_.ledger != nullptr) options_.ledger->Returned(grants_, Answer::kFailed, now_ns());
  End(number);
}

// Of one that holds, and is returning nothing. What later_ has ends when it comes to it.
void OpenCycles::Abandon(uint32_t number) {
  Cycle& cycle = cycles_[number];
  (void)ReadGrants(cycle.grants, grants_);
  result_.abandoned += grants_.size();
  cycle.step = Step::kGone;
  if (!cycle.later) End(number);
}

void OpenCycles::Crash(uint32_t wire) {
  wires_.Break(wire);
  for (uint32_t number = 0; number < cycles_.size(); ++number) {
    if (cycles_[number].spot == kNowhere || cycles_[number].wire != wire) continue;
    LetGo(number);
    Abandon(number);
  }
}

// What is due now is asked at once. One that was renewed meanwhile is in later_ still.
void OpenCycles::Wait(uint32_t number, Step step, uint64_t due_ns) {
  Cycle& cycle = cycles_[number];
  cycle.step = step;
  cycle.due_ns = due_ns;
  if (due_ns <= now_ns()) return Ask(number);
  cycle.spot = holding_.size();
  holding_.push_back(number);
  if (cycle.later || due_ns == UINT64_MAX) return;
  cycle.later = true;
  later_.push({due_ns, number});
}

void OpenCycles::LetGo(uint32_t number) {
  const std::size_t spot = std::exchange(cycles_[number].spot, kNowhere);
  cycles_[holding_.back()].spot = spot;
  holding_[spot] = holding_.back();
  holding_.pop_back();
  cycles_[number].spot = kNowhere;  // also where it was the last
}

bool OpenCycles::TakeOne(uint64_t due_ns, uint32_t& number) {
  if (holding_.empty()) {
    ++result_.nothing_held;
    return false;
  }
  std::uniform_int_distribution<std::size_t> any(0, holding_.size() - 1);
  number = holding_[any(holds_)];
  LetGo(number);
  cycles_[number].due_ns = due_ns;
  return true;
}

void OpenCycles::RenewOne(uint64_t due_ns) {
  uint32_t number = 0;
  if (!TakeOne(due_ns, number)) return;
  cycles_[number].step = Step::kRenew;
  Ask(number);
}

// It waits for nothing else.
void OpenCycles::ReturnOne(uint64_t due_ns) {
  uint32_t number = 0;
  if (TakeOne(due_ns, number)) Ask(number);
}

uint64_t OpenCycles::next_ns() const { return later_.empty() ? UINT64_MAX : later_.top().due_ns; }

void OpenCycles::DoWhatIsDue() {
  while (next_ns() <= now_ns()) {
    const uint32_t number = TakeLater();
    if (cycles_[number].spot == kNowhere) continue;  // it is gone, or is being renewed
    LetGo(number);
    Ask(number);
  }
}

// The next of later_, which is over with it where it is gone.
uint32_t OpenCycles::TakeLater() {
  const uint32_t number = later_.top().cycle;
  later_.pop();
  cycles_[number].later = false;
  if (cycles_[number].step == Step::kGone) End(number);
  return number;
}

void OpenCycles::GiveAllBack() {
  while (!later_.empty()) (void)TakeLater();
  while (!holding_.empty()) {
    const uint32_t number = holding_.back();
    LetGo(number);
    Cycle& cycle = cycles_[number];
    cycle.due_ns = cycle.return_ns = std::min(cycle.return_ns, now_ns());
    if (cycle.step == Step::kRenew) cycle.step = cycle.probes ? Step::kForged : Step::kReturn;
    Ask(number);
  }
}

OpenLoopSecond OpenCycles::TakeSecond(std::unique_ptr<base::LogHistogram>& lease_ns) {
  lease_ns = std::exchange(second_ns_, std::make_unique<base::LogHistogram>());
  return std::exchange(second_, {});
}

}  // namespace objpool::load
