#include "client/ctl/load.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

namespace objpool::client {
namespace {

// After an error or an empty pool a client waits this long at most, so that it neither spins nor
// stops asking.
constexpr Milliseconds kLongestPause{10};
constexpr Milliseconds kShortestPause{1};
// After the loss of the server it waits this long for a connection before it tries again; how long
// an end of the run may go unnoticed then.
constexpr Milliseconds kConnectWait{50};
// Kinds are the server's words; more than these are counted as one.
constexpr std::size_t kMaxKinds = 64;

}  // namespace

class Load::Loop {
 public:
  Loop(Load& load, LoadCell& cell, const Client& client, std::stop_token stop)
      : load_(load), cell_(cell), client_(client), stop_(std::move(stop)) {
    request_.set_pool(load.options_.pool);
    request_.set_count(load.options_.batch);
    request_.set_holder("objpoolctl bench");
    if (load.options_.ttl.count() != 0) *request_.mutable_ttl() = ProtoDuration(load.options_.ttl);
  }

  void Run() {
    const bool counts = load_.options_.count != 0;
    while (!stop_.stop_requested()) {
      const Phase phase = load_.phase_.load(std::memory_order_acquire);
      const bool ticket = counts && phase == Phase::kMeasuring;
      if (ticket &&
          load_.tickets_.fetch_add(1, std::memory_order_relaxed) >= load_.options_.count) {
        break;
      }
      Cycle(ticket);
    }
    // The server may be on its way back: it gets the time of one call.
    const Clock::time_point give_up = Clock::now() + client_.options().timeout;
    while (!ReturnHeld() && !held_.empty() && Clock::now() < give_up) {
      std::this_thread::sleep_for(kLongestPause);
    }
  }

 private:
  // With a count, what has a ticket is measured; otherwise what comes to its end in time.
  void Cycle(bool ticket) {
    // What an earlier cycle could not return comes first, so there is never more than one batch.
    if (!ReturnHeld()) return;
    const Clock::time_point lease_begin = Clock::now();
    const Result<v1::LeaseResponse> leased = client_.Lease(request_);
    const Clock::duration lease_time = Clock::now() - lease_begin;
    if (!leased.ok()) return NoteLeaseError(leased.error);
    cell_.lease_ok.Add();
    const auto handles = static_cast<uint64_t>(leased.value.grants_size());
    cell_.leased.Add(handles);
    for (const v1::Grant& grant : leased.value.grants()) {
      held_.push_back(RefOf(load_.options_.pool, grant.ref()));
    }
    if (load_.options_.hold.count() != 0) Pause(load_.options_.hold);

    const Clock::time_point return_begin = Clock::now();
    const bool returned = ReturnHeld();
    const Clock::time_point end = Clock::now();
    const Clock::duration return_time = end - return_begin;
    const bool in_time = load_.phase_.load(std::memory_order_acquire) == Phase::kMeasuring;
    const bool measured = load_.options_.count != 0 ? ticket : in_time;
    if (!returned || !measured) return;
    cell_.lease_ns.Record(Nanoseconds(lease_time));
    cell_.return_ns.Record(Nanoseconds(return_time));
    cell_.cycle_ns.Record(Nanoseconds(lease_time + return_time));
    cell_.cycles.Add();
    cell_.cycle_handles.Add(handles);
  }

  // One call for all that is held. False where not all came back; what the server says is no longer
  // ours to return is then forgotten, and the rest kept.
  bool ReturnHeld() {
    if (held_.empty()) return true;
    const BatchResult result = client_.Return(load_.options_.pool, held_);
    std::vector<Ref> kept;
    const Error* failure = nullptr;
    for (std::size_t i = 0; i < held_.size(); ++i) {
      const Error& error = result.items[i].error;
      if (error.ok()) {
        cell_.returned.Add();
        continue;
      }
      failure = &error;
      const bool over = error.code == grpc::StatusCode::NOT_FOUND ||
                        error.code == grpc::StatusCode::FAILED_PRECONDITION ||
                        error.code == grpc::StatusCode::PERMISSION_DENIED;
      if (!over) kept.push_back(held_[i]);
    }
    held_ = std::move(kept);
    if (failure == nullptr) {
      cell_.return_ok.Add();
      return true;
    }
    NoteError(*failure);
    return false;
  }

  void NoteLeaseError(const Error& error) {
    if (ExitOf(error) != Exit::kExhausted) {
      return NoteError(error);
    }
    if (!cell_.first_error) cell_.first_error = error;
    cell_.exhausted.Add();
    Pause(std::clamp(error.retry_after.value_or(kShortestPause), kShortestPause, kLongestPause));
  }

  // Counts it, and waits until there is some hope for the next call.
  void NoteError(const Error& error) {
    if (!cell_.first_error) cell_.first_error = error;
    cell_.failed.Add();
    std::string kind(ErrorKind(error));
    if (cell_.errors.size() >= kMaxKinds && !cell_.errors.contains(kind)) kind = "OTHER";
    ++cell_.errors[kind];
    const bool server = error.origin == Error::Origin::kServer;
    if (server || client_.Connect(kConnectWait)) Pause(kLongestPause);
  }

  // Ends early when the load stops.
  void Pause(Milliseconds time) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop_, time, [] { return false; });
  }

  static uint64_t Nanoseconds(Clock::duration time) {
    return static_cast<uint64_t>(std::chrono::nanoseconds(time).count());
  }

  Load& load_;
  LoadCell& cell_;
  const Client& client_;
  const std::stop_token stop_;
  v1::LeaseRequest request_;
  std::vector<Ref> held_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
};

Load::Load(const BenchOptions& options, const std::vector<Client>& connections)
    : options_(options), connections_(connections) {
  for (uint32_t c = 0; c < options_.clients; ++c) cells_.push_back(std::make_unique<LoadCell>());
}

Load::~Load() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Load::Start() {
  running_.store(options_.clients, std::memory_order_relaxed);
  for (uint32_t c = 0; c < options_.clients; ++c) {
    threads_.emplace_back([this, c](std::stop_token stop) {
      Loop(*this, *cells_[c], connections_[c % connections_.size()], std::move(stop)).Run();
      // Before the release below, so that who sees nobody running sees the last end.
      last_end_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
      running_.fetch_sub(1, std::memory_order_acq_rel);
    });
  }
}

void Load::BeginMeasuring() {
  begin_ = Clock::now();
  phase_.store(Phase::kMeasuring, std::memory_order_release);
}

void Load::Stop() {
  phase_.store(Phase::kOver, std::memory_order_release);
  end_ = done() ? Clock::time_point(Clock::duration(last_end_.load(std::memory_order_relaxed)))
                : Clock::now();
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Load::Join() { threads_.clear(); }

std::chrono::nanoseconds Load::measured() const {
  // A run that was interrupted while it warmed up has no measured part.
  return begin_ == Clock::time_point() ? std::chrono::nanoseconds(0) : end_ - begin_;
}

}  // namespace objpool::client
