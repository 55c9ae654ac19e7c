#include "client/load/open_loop.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "client/load/event_loop.h"
#include "client/load/open_worker.h"
#include "pool/base/check.h"

namespace objpool::load {
namespace {

constexpr std::size_t kMostSeconds = 3600;
constexpr uint32_t kSeedsOfAThread = 4;  // three arrivals, and what its cycles draw

// Puts the threads' seconds together. Each is done when all have told theirs; those that some never
// reach are done at the end.
class SecondBoard final : public SecondTaker {
 public:
  SecondBoard(const OpenLoopOptions& options, std::vector<OpenLoopSecond>& done)
      : options_(options), done_(done) {}

  void Take(std::size_t index, const OpenLoopSecond& second,
            std::unique_ptr<base::LogHistogram> lease_ns) override {
    const std::scoped_lock lock(mutex_);
    while (first_ + open_.size() <= index) open_.emplace_back();
    Open& open = open_[index - first_];
    Add(second, open.sum);
    if (open.lease_ns == nullptr) {
      open.lease_ns = std::move(lease_ns);
    } else {
      open.lease_ns->Merge(*lease_ns);
    }
    ++open.told;
    while (!open_.empty() && open_.front().told == options_.threads) Close();
  }

  void CloseAll() {
    const std::scoped_lock lock(mutex_);
    while (!open_.empty()) Close();
  }

 private:
  struct Open {
    OpenLoopSecond sum;
    std::unique_ptr<base::LogHistogram> lease_ns;
    uint32_t told = 0;
  };

  static void Add(const OpenLoopSecond& second, OpenLoopSecond& sum) {
    sum.phase = std::max(sum.phase, second.phase);
    sum.begun += second.begun;
    sum.leased += second.leased;
    sum.renewed += second.renewed;
    sum.returned += second.returned;
    sum.exhausted += second.exhausted;
    sum.failed += second.failed;
  }

  void Close() {
    const Open& open = open_.front();
    OpenLoopSecond second = open.sum;
    if (open.lease_ns != nullptr) {
      second.p50_ns = open.lease_ns->Quantile(0.5);
      second.p99_ns = open.lease_ns->Quantile(0.99);
      second.max_ns = open.lease_ns->max();
    }
    if (done_.size() < kMostSeconds) done_.push_back(second);
    if (options_.on_second) options_.on_second(second);
    open_.pop_front();
    ++first_;
  }

  const OpenLoopOptions& options_;
  std::vector<OpenLoopSecond>& done_;
  std::mutex mutex_;
  std::deque<Open> open_;  // from second `first_` on
  std::size_t first_ = 0;
};

// What one of the threads does: together it is all.
OpenLoopOptions ShareOf(const OpenLoopOptions& options, uint32_t thread) {
  OpenLoopOptions share = options;
  const uint32_t threads = options.threads;
  share.arrivals.rate /= threads;
  share.renew_rate /= threads;
  share.return_rate /= threads;
  // Even ones of all threads are even together.
  if (!options.arrivals.random) share.arrivals.first = static_cast<double>(thread) / threads;
  share.connections = (options.connections + thread) / threads;
  share.break_every *= threads;
  share.most_cycles = std::max(1u, options.most_cycles / threads);
  share.seed = options.seed + (uint64_t{kSeedsOfAThread} * thread);
  return share;
}

void Add(const OpenLoopResult& part, OpenLoopResult& sum) {
  sum.lease_ns.Merge(part.lease_ns);
  sum.renew_ns.Merge(part.renew_ns);
  sum.return_ns.Merge(part.return_ns);
  sum.late_ns.Merge(part.late_ns);
  sum.measured_s = std::max(sum.measured_s, part.measured_s);
  sum.cycles += part.cycles;
  sum.begun += part.begun;
  sum.exhausted += part.exhausted;
  sum.failed += part.failed;
  sum.dropped += part.dropped;
  sum.nothing_held += part.nothing_held;
  sum.lost += part.lost;
  sum.breaks += part.breaks;
  sum.abandoned += part.abandoned;
  sum.in_doubt += part.in_doubt;
  sum.reconnects += part.reconnects;
  if (sum.first_failure.empty()) sum.first_failure = part.first_failure;
}

struct Share {
  OpenLoopOptions options;
  std::unique_ptr<OpenWorker> worker;
  std::string why;
  bool done = false;
};

// One in this thread, and the others in threads of their own.
void RunAll(std::deque<Share>& shares, StopFlag stop) {
  const uint64_t begin_ns = EventLoop::NowNs();
  std::atomic<bool> failed{false};
  const auto run = [&](Share& share) {
    const auto stops = [&] { return stop() || failed.load(std::memory_order_relaxed); };
    share.done = share.worker->Run(begin_ns, stops, share.why);
    if (!share.done) failed.store(true, std::memory_order_relaxed);
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < shares.size(); ++i) threads.emplace_back(run, std::ref(shares[i]));
  run(shares.front());
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

std::unique_ptr<OpenLoopResult> RunOpenLoop(const OpenLoopOptions& options, StopFlag stop,
                                            std::string& why) {
  OBJPOOL_CHECK(options.threads == 1 || options.ledger == nullptr, "a ledger is for one thread");
  OBJPOOL_CHECK(options.threads >= 1 && options.threads <= options.connections,
                "each thread has a connection");
  auto result = std::make_unique<OpenLoopResult>();
  SecondBoard board(options, result->seconds);
  std::deque<Share> shares(options.threads);
  for (uint32_t thread = 0; thread < options.threads; ++thread) {
    Share& share = shares[thread];
    share.options = ShareOf(options, thread);
    share.worker = std::make_unique<OpenWorker>(share.options, board);
    if (!share.worker->Connect(why)) return nullptr;
  }
  RunAll(shares, stop);
  board.CloseAll();
  for (const Share& share : shares) {
    if (!share.done) {
      why = share.why;
      return nullptr;
    }
    Add(share.worker->result(), *result);
  }
  return result;
}

}  // namespace objpool::load
