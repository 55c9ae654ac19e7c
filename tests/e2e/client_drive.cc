// A program of the client library, for tests: does what it reads, a line a command, and says what
// came of it, a line each.
//
//   client_drive session ADDRESS LINGER_MS
//     lease POOL COUNT TTL_MS WAIT_MS | return POOL | attach TTL_MS REF | return-all | state |
//     close
//   Answers: open | lease N POOL/HANDLE/FENCE... | return N | attach TTL_MS | return-all N |
//   valid 0|1 streams N | closed |
//   notice KIND POOL/HANDLE/FENCE | lost WHY; instead of N, "error WHY".
//
//   client_drive cached ADDRESS POOL TTL_MS THREADS
//     state | stop
//   Threads lease and return all the time. At random they ask the server whether the fence still
//   runs, which it must as long as it is valid here. Answers: given N checked N stale N ended N
//   total N. Stale: given out without the time that it must have left. Ended: at the server, when
//   it was valid here.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "client/cached_pool.h"
#include "client/session.h"

namespace objpool::client {
namespace {

void Say(const std::string& line) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::cout << line << std::endl;
}

std::string Why(const Error& error) { return "error " + std::string(ErrorKind(error)); }

class SessionDriver {
 public:
  int Run(const std::string& address, int linger_ms) {
    Error why;
    session_ = Session::Start(
        {.address = address},
        {.linger = Milliseconds(linger_ms),
         .holder = "drive",
         .on_notice = [](const v1::SessionNotice& n) { SayNotice(n); },
         .on_lost = [](const Error& error) { Say("lost " + std::string(ErrorKind(error))); }},
        why);
    if (session_ == nullptr) {
      Say(Why(why));
      return 1;
    }
    Say("open");
    for (std::string line; std::getline(std::cin, line);) Do(line);
    return 0;
  }

 private:
  static void SayNotice(const v1::SessionNotice& notice) {
    Say("notice " + v1::SessionNoticeKind_Name(notice.kind()).substr(20) + " " +
        WithoutKey(RefOf(notice.pool(), notice.grant())));
  }

  void Do(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string pool;
    words >> verb >> pool;
    if (verb == "lease") {
      Lease(pool, words);
    } else if (verb == "return") {
      Return(pool);
    } else if (verb == "attach") {
      Attach(Milliseconds(std::stoi(pool)), words);
    } else if (verb == "return-all") {
      session_->StartReturnAll([](const Result<uint32_t>& result) {
        Say("return-all " + (result.ok() ? std::to_string(result.value) : Why(result.error)));
      });
    } else if (verb == "state") {
      Say("valid " + std::to_string(session_->valid()) + " streams " +
          std::to_string(session_->streams()));
    } else if (verb == "close") {
      session_->Close();
      Say("closed");
    }
  }

  void Lease(const std::string& pool, std::istringstream& words) {
    int64_t count = 1;
    int64_t ttl_ms = 0;
    int64_t wait_ms = 0;
    words >> count >> ttl_ms >> wait_ms;
    v1::LeaseRequest request;
    request.set_pool(pool);
    request.set_count(static_cast<uint32_t>(count));
    *request.mutable_ttl() = ProtoDuration(Milliseconds(ttl_ms));
    if (wait_ms != 0) *request.mutable_max_wait() = ProtoDuration(Milliseconds(wait_ms));
    session_->StartLease(request, [this, pool](const Result<v1::LeaseResponse>& result) {
      if (!result.ok()) return Say("lease " + Why(result.error));
      std::string line = "lease " + std::to_string(result.value.grants_size());
      const std::lock_guard lock(mutex_);
      for (const v1::Grant& grant : result.value.grants()) {
        held_[pool].push_back(RefOf(pool, grant.ref()));
        line += " " + WithoutKey(held_[pool].back());
      }
      Say(line);
    });
  }

  void Return(const std::string& pool) {
    std::vector<Ref> refs;
    {
      const std::lock_guard lock(mutex_);
      refs.swap(held_[pool]);
    }
    session_->StartReturn(pool, refs, v1::DISPOSITION_CLEAN, [](const BatchResult& result) {
      for (const ItemResult& item : result.items) {
        if (!item.error.ok()) return Say("return " + Why(item.error));
      }
      Say("return " + std::to_string(result.items.size()));
    });
  }

  void Attach(Milliseconds ttl, std::istringstream& words) {
    std::string text;
    words >> text;
    std::string why;
    const std::optional<Ref> ref = ParseRef(text, why);
    if (!ref) return Say("attach " + why);
    session_->StartAttach(ref->pool, {&*ref, 1}, ttl, [](const BatchResult& result) {
      const Error& error = result.items.front().error;
      Say("attach " + (error.ok() ? std::to_string(result.ttl.count()) : Why(error)));
    });
  }

  std::mutex mutex_;
  std::map<std::string, std::vector<Ref>> held_;
  std::unique_ptr<Session> session_;  // the last member: its callbacks use the others
};

class CachedDriver {
 public:
  CachedDriver(const std::string& address, const std::string& pool, int ttl_ms)
      : fresh_(Milliseconds(ttl_ms) / 8),
        client_({.address = address, .timeout = Milliseconds(1000)}),
        keeper_(client_),
        cache_(keeper_, {.pool = pool, .ttl = Milliseconds(ttl_ms), .batch = 16}) {}

  void Run(int threads) {
    std::vector<std::jthread> team;
    for (int t = 0; t < threads; ++t) team.emplace_back([this] { Work(); });
    for (std::string line; std::getline(std::cin, line) && line != "stop";) SayState();
    stop_ = true;
    team.clear();
    SayState();
  }

 private:
  void SayState() {
    Say("given " + std::to_string(given_) + " checked " + std::to_string(checked_) + " stale " +
        std::to_string(stale_) + " ended " + std::to_string(ended_) + " total " +
        std::to_string(cache_.stats().total));
  }

  void Work() {
    for (uint64_t round = 0; !stop_; ++round) {
      Error why;
      const LeaseClock::time_point before = LeaseClock::now();
      const CachedGrant grant = cache_.Lease(why);
      // A thread that was stopped meanwhile knows nothing.
      const bool valid = !grant || grant.valid() || LeaseClock::now() - before > fresh_;
      if (!grant) {
        (void)client_.Connect(Milliseconds(5));
        continue;
      }
      ++given_;
      if (!valid) ++stale_;
      if (round % 64 == 0) Check(grant);
    }
  }

  void Check(const CachedGrant& grant) {
    const Ref& ref = grant.ref();
    const auto seen = client_.CheckFence(ref.pool, ref.handle, ref.fence);
    // Valid still, after the answer: it ran all the time.
    if (!seen.ok() || !grant.valid()) return;
    ++checked_;
    if (seen.value.state() != v1::FENCE_STATE_RUNNING) ++ended_;
  }

  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> given_{0};
  std::atomic<uint64_t> checked_{0};
  std::atomic<uint64_t> stale_{0};
  std::atomic<uint64_t> ended_{0};
  const LeaseClock::duration fresh_;  // less than the cache promises
  Client client_;
  Keeper keeper_;
  CachedPool cache_;
};

int Main(const std::vector<std::string>& words) {
  if (words.size() == 4 && words[1] == "session") {
    return SessionDriver().Run(words[2], std::stoi(words[3]));
  }
  if (words.size() == 6 && words[1] == "cached") {
    CachedDriver(words[2], words[3], std::stoi(words[4])).Run(std::stoi(words[5]));
    return 0;
  }
  std::cerr << "see the top of client_drive.cc\n";
  return 2;
}

}  // namespace
}  // namespace objpool::client

int main(int argc, char** argv) {
  return objpool::client::Main(std::vector<std::string>(argv, argv + argc));
}
