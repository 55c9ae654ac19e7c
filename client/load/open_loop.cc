#include "client/load/open_loop.h"

#include <sys/prctl.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <queue>
#include <random>
#include <span>
#include <string_view>
#include <utility>

#include "client/load/arrivals.h"
#include "client/load/event_loop.h"
#include "client/load/frame_connection.h"

namespace objpool::load {
namespace {

using std::chrono::nanoseconds;

constexpr uint32_t kCallsOfConnection = 100;
// Below that, the loop looks at its sockets until it is time, because waking up takes as long.
constexpr uint64_t kSpinNs = 60'000;
// Of so many cycles, one also returns once more, and one with a wrong key.
constexpr uint64_t kProbeEvery = 16;
constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kPatienceNs = 30 * kSecondNs;  // for what is under way at the end
constexpr std::size_t kMostSeconds = 3600;

constexpr uint32_t kExhausted = 8;       // RESOURCE_EXHAUSTED
constexpr std::size_t kLeaseMethod = 0;  // places in the paths
constexpr std::size_t kReturnMethod = 1;

Ledger::Answer AnswerOf(uint32_t status, std::string_view reply) {
  switch (status) {
    case 0:
      return SaysAlreadyReturned(reply)  ? Ledger::Answer::kAlreadyReturned
             : SaysAllReturned(reply, 1) ? Ledger::Answer::kReturned
                                         : Ledger::Answer::kOther;
    case 5:
      return Ledger::Answer::kGone;
    case 7:
      return Ledger::Answer::kNotHolder;
    case 9:
      return Ledger::Answer::kStale;
    default:
      return Ledger::Answer::kFailed;
  }
}

class Loop {
 public:
  Loop(const OpenLoopOptions& options, OpenLoopResult& result)
      : options_(options),
        result_(result),
        lease_(LeaseRequestBytes(options.pool, options.batch, options.ttl_ms)),
        holds_(options.seed + 1) {}

  [[nodiscard]] bool Connect(std::string& why);
  [[nodiscard]] bool Run(StopFlag stop, std::string& why);

 private:
  enum class Step : uint8_t { kLease, kForged, kReturn, kRepeated };
  struct Cycle {
    Step step = Step::kLease;
    uint64_t due_ns = 0;  // when the next request is meant to leave
    uint64_t sent_ns = 0;
    uint64_t number = 0;  // of the ledger
    bool measured = false;
    bool probes = false;
    std::string grants;  // the LeaseResponse that they are in
    std::string reply;
  };
  // One connection, and whose calls are under way on it.
  struct Wire final : FrameConnection::Listener {
    explicit Wire(Loop& of) : loop(of) {}
    void OnMessage(uint32_t place, std::string_view message) override {
      loop.cycles_[cycles[place]].reply.assign(message);
    }
    void OnEnd(uint32_t place, uint32_t status) override {
      free.push_back(place);
      loop.OnAnswer(cycles[place], status);
    }
    Loop& loop;
    std::unique_ptr<FrameConnection> connection;
    std::vector<uint32_t> cycles;  // by place
    std::vector<uint32_t> free;    // places
    bool touched = false;
    bool wants_writable = false;
  };
  struct Later {
    uint64_t due_ns;
    uint32_t cycle;
    bool operator>(const Later& other) const { return due_ns > other.due_ns; }
  };

  void BeginCycle(uint64_t due_ns);
  void Ask(uint32_t cycle);
  void Send(Wire& wire, uint32_t cycle);
  void OnAnswer(uint32_t cycle, uint32_t status);
  void OnLease(uint32_t cycle, uint32_t status);
  void OnReturn(uint32_t cycle, uint32_t status);
  void Wait(uint32_t cycle, Step step, uint64_t due_ns);
  void EndCycle(uint32_t cycle);
  void Failed(uint32_t status);
  void DoWhatIsDue(Arrivals& arrivals);
  [[nodiscard]] bool Flush(std::string& why);
  [[nodiscard]] bool Turn(uint64_t until_ns, std::string& why);
  void CloseSecond();
  [[nodiscard]] uint64_t HoldNs();
  [[nodiscard]] bool idle() const { return free_cycles_.size() == cycles_.size(); }

  const OpenLoopOptions& options_;
  OpenLoopResult& result_;
  const std::string lease_;
  std::mt19937_64 holds_;
  EventLoop events_;
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<Cycle> cycles_;
  std::vector<uint32_t> free_cycles_;
  std::deque<uint32_t> no_place_;  // for them in any connection
  std::priority_queue<Later, std::vector<Later>, std::greater<>> later_;
  std::vector<GrantBytes> grants_;
  std::string request_;
  std::size_t next_wire_ = 0;
  uint64_t now_ns_ = 0;
  uint64_t measure_from_ns_ = 0;
  uint64_t measure_to_ns_ = 0;
  OpenLoopSecond second_;
  std::unique_ptr<base::LogHistogram> second_ns_ = std::make_unique<base::LogHistogram>();
  uint64_t second_ends_ns_ = 0;
  std::string broken_;
};

bool Loop::Connect(std::string& why) {
  for (uint32_t number = 0; number < options_.connections; ++number) {
    auto wire = std::make_unique<Wire>(*this);
    wire->cycles.resize(kCallsOfConnection);
    for (uint32_t place = 0; place < kCallsOfConnection; ++place) wire->free.push_back(place);
    wire->connection = FrameConnection::Connect(options_.address,
                                                {std::string(kLeasePath), std::string(kReturnPath)},
                                                kCallsOfConnection, *wire, why);
    if (wire->connection == nullptr) return false;
    events_.Add(wire->connection->fd(), number);
    wires_.push_back(std::move(wire));
  }
  return true;
}

uint64_t Loop::HoldNs() {
  const auto mean = static_cast<double>(options_.hold.count());
  if (!options_.hold_random) return static_cast<uint64_t>(mean);
  return static_cast<uint64_t>(std::exponential_distribution<double>(1)(holds_) * mean);
}

void Loop::BeginCycle(uint64_t due_ns) {
  if (free_cycles_.empty() && cycles_.size() == options_.most_cycles) {
    ++result_.dropped;
    return;
  }
  if (free_cycles_.empty()) {
    free_cycles_.push_back(static_cast<uint32_t>(cycles_.size()));
    cycles_.emplace_back();
  }
  const uint32_t number = free_cycles_.back();
  free_cycles_.pop_back();
  Cycle& cycle = cycles_[number];
  cycle.step = Step::kLease;
  cycle.due_ns = due_ns;
  cycle.measured = due_ns >= measure_from_ns_ && due_ns < measure_to_ns_;
  cycle.probes = options_.ledger != nullptr && result_.begun % kProbeEvery == 0;
  if (cycle.measured) result_.late_ns.Record(now_ns_ - due_ns);
  ++result_.begun;
  ++second_.begun;
  Ask(number);
}

// On the next connection that has a place.
void Loop::Ask(uint32_t cycle) {
  for (std::size_t tried = 0; tried < wires_.size(); ++tried) {
    Wire& wire = *wires_[next_wire_++ % wires_.size()];
    if (!wire.free.empty()) return Send(wire, cycle);
  }
  no_place_.push_back(cycle);
}

void Loop::Send(Wire& wire, uint32_t number) {
  Cycle& cycle = cycles_[number];
  const uint32_t place = wire.free.back();
  wire.free.pop_back();
  wire.cycles[place] = number;
  wire.touched = true;
  cycle.sent_ns = now_ns_;
  cycle.reply.clear();
  if (cycle.step == Step::kLease) {
    if (options_.ledger != nullptr) cycle.number = options_.ledger->BeginLease(options_.batch);
    return wire.connection->Call(place, kLeaseMethod, lease_);
  }
  (void)ReadGrants(cycle.grants, grants_);  // it was read before
  request_.clear();
  const bool one = cycle.step != Step::kReturn;
  const auto refs = std::span<const GrantBytes>(grants_).first(one ? 1 : grants_.size());
  if (!one && options_.ledger != nullptr) options_.ledger->BeginReturn(refs);
  AppendReturnRequest(options_.pool, refs, request_);
  // The key is what a ref ends with, and the ref what the request does.
  if (cycle.step == Step::kForged) request_.back() = static_cast<char>(request_.back() ^ 1);
  wire.connection->Call(place, kReturnMethod, request_);
}

void Loop::Failed(uint32_t status) {
  ++second_.failed;
  if (result_.failed++ != 0) return;
  result_.first_failure = status == FrameConnection::kNoStatus
                              ? "a call ended without a status"
                              : "a call ended with grpc-status " + std::to_string(status);
}

void Loop::OnAnswer(uint32_t cycle, uint32_t status) {
  if (cycles_[cycle].step == Step::kLease) {
    OnLease(cycle, status);
  } else {
    OnReturn(cycle, status);
  }
  if (no_place_.empty()) return;
  const uint32_t next = no_place_.front();
  no_place_.pop_front();
  Ask(next);
}

void Loop::OnLease(uint32_t number, uint32_t status) {
  Cycle& cycle = cycles_[number];
  const Ledger::LeaseCall call = {.number = cycle.number,
                                  .count = options_.batch,
                                  .sent_ns = cycle.sent_ns,
                                  .answered_ns = now_ns_};
  if (status == kExhausted) {
    ++result_.exhausted;
    ++second_.exhausted;
    if (options_.ledger != nullptr) options_.ledger->Exhausted(call);
    return EndCycle(number);
  }
  if (status != 0) {
    Failed(status);
    if (options_.ledger != nullptr) options_.ledger->LeaseFailed(call);
    return EndCycle(number);
  }
  cycle.grants.swap(cycle.reply);
  if (!ReadGrants(cycle.grants, grants_)) {
    broken_ = "a lease was answered with something else";
    return EndCycle(number);
  }
  if (options_.ledger != nullptr) options_.ledger->Leased(call, grants_, ReadTtlMs(cycle.grants));
  ++second_.leased;
  second_ns_->Record(now_ns_ - cycle.due_ns);
  if (cycle.measured) result_.lease_ns.Record(now_ns_ - cycle.due_ns);
  Wait(number, cycle.probes ? Step::kForged : Step::kReturn, now_ns_ + HoldNs());
}

void Loop::OnReturn(uint32_t number, uint32_t status) {
  Cycle& cycle = cycles_[number];
  (void)ReadGrants(cycle.grants, grants_);
  const Ledger::Answer answer =
      grants_.size() == 1 || cycle.step != Step::kReturn ? AnswerOf(status, cycle.reply)
      : status != 0                                      ? Ledger::Answer::kFailed
      : SaysAllReturned(cycle.reply, grants_.size())     ? Ledger::Answer::kReturned
                                                         : Ledger::Answer::kOther;
  Ledger* const ledger = options_.ledger;
  switch (cycle.step) {
    case Step::kForged:
      ledger->Forged(grants_.front(), answer, now_ns_);
      return Wait(number, Step::kReturn, now_ns_);
    case Step::kRepeated:
      ledger->Repeated(grants_.front(), answer);
      return EndCycle(number);
    default:
      break;
  }
  if (ledger != nullptr) ledger->Returned(grants_, answer, now_ns_);
  if (status != 0) Failed(status);
  if (status == 0 && cycle.measured) {
    ++result_.cycles;
    result_.return_ns.Record(now_ns_ - cycle.due_ns);
  }
  if (cycle.probes) return Wait(number, Step::kRepeated, now_ns_);
  EndCycle(number);
}

// What is due now is asked at once.
void Loop::Wait(uint32_t number, Step step, uint64_t due_ns) {
  cycles_[number].step = step;
  cycles_[number].due_ns = due_ns;
  if (due_ns <= now_ns_) return Ask(number);
  later_.push({due_ns, number});
}

void Loop::EndCycle(uint32_t number) { free_cycles_.push_back(number); }

void Loop::DoWhatIsDue(Arrivals& arrivals) {
  while (!later_.empty() && later_.top().due_ns <= now_ns_) {
    const uint32_t cycle = later_.top().cycle;
    later_.pop();
    Ask(cycle);
  }
  for (; arrivals.next_ns() <= now_ns_ && arrivals.next_ns() < measure_to_ns_; arrivals.Advance()) {
    BeginCycle(arrivals.next_ns());
  }
}

bool Loop::Flush(std::string& why) {
  for (uint32_t number = 0; number < wires_.size(); ++number) {
    Wire& wire = *wires_[number];
    if (!std::exchange(wire.touched, false)) continue;
    if (!wire.connection->Flush()) {
      why = wire.connection->error();
      return false;
    }
    const bool wants = wire.connection->has_unsent();
    if (wants != std::exchange(wire.wants_writable, wants)) {
      events_.WantWritable(wire.connection->fd(), number, wants);
    }
  }
  return true;
}

// Sends what was asked, and takes what comes until then.
bool Loop::Turn(uint64_t until_ns, std::string& why) {
  if (!Flush(why)) return false;
  const uint64_t left_ns = until_ns > now_ns_ ? until_ns - now_ns_ : 0;
  const uint64_t sleep_ns = left_ns > kSpinNs ? left_ns - kSpinNs : 0;
  events_.Turn(nanoseconds(sleep_ns), [&](uint32_t number) {
    now_ns_ = EventLoop::NowNs();
    Wire& wire = *wires_[number];
    wire.touched = true;
    if (!wire.connection->OnReadable()) broken_ = wire.connection->error();
  });
  now_ns_ = EventLoop::NowNs();
  if (now_ns_ >= second_ends_ns_) CloseSecond();
  why = broken_;
  return broken_.empty();
}

void Loop::CloseSecond() {
  second_.p50_ns = second_ns_->Quantile(0.5);
  second_.p99_ns = second_ns_->Quantile(0.99);
  second_.max_ns = second_ns_->max();
  if (result_.seconds.size() < kMostSeconds) result_.seconds.push_back(second_);
  second_ = {};
  second_ns_ = std::make_unique<base::LogHistogram>();
  second_ends_ns_ += kSecondNs;
}

bool Loop::Run(StopFlag stop, std::string& why) {
  // Timers of a microsecond, not the usual fifty.
  (void)::prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
  const uint64_t begin_ns = EventLoop::NowNs();
  now_ns_ = begin_ns;
  second_ends_ns_ = begin_ns + kSecondNs;
  measure_from_ns_ = begin_ns + static_cast<uint64_t>(options_.warmup.count());
  measure_to_ns_ = measure_from_ns_ + static_cast<uint64_t>(options_.duration.count());
  Arrivals arrivals(options_.rate, options_.random, options_.seed, begin_ns);
  while (now_ns_ < measure_to_ns_ && !stop()) {
    DoWhatIsDue(arrivals);
    uint64_t until_ns = std::min(measure_to_ns_, arrivals.next_ns());
    if (!later_.empty()) until_ns = std::min(until_ns, later_.top().due_ns);
    if (!Turn(until_ns, why)) return false;
  }
  measure_to_ns_ = std::min(measure_to_ns_, now_ns_);
  if (now_ns_ > measure_from_ns_) {
    result_.measured_s = static_cast<double>(measure_to_ns_ - measure_from_ns_) / 1e9;
  }
  const uint64_t give_up_ns = now_ns_ + kPatienceNs + static_cast<uint64_t>(options_.hold.count());
  while (!idle() && now_ns_ < give_up_ns) {
    DoWhatIsDue(arrivals);
    const uint64_t next_ns = later_.empty() ? give_up_ns : later_.top().due_ns;
    if (!Turn(next_ns, why)) return false;
  }
  if (!idle()) why = "calls did not end";
  return idle();
}

}  // namespace

std::unique_ptr<OpenLoopResult> RunOpenLoop(const OpenLoopOptions& options, StopFlag stop,
                                            std::string& why) {
  auto result = std::make_unique<OpenLoopResult>();
  Loop loop(options, *result);
  if (!loop.Connect(why) || !loop.Run(stop, why)) return nullptr;
  return result;
}

}  // namespace objpool::load
