// GroupCommit: a thread that brings what many have stored to the disk, for all who wait in one go.
//
// Whoever has stored something takes a ticket, and may rely on it when that ticket is done: its
// sync began after the ticket was taken. While one sync runs, tickets gather for the next.
//
// After a sync that failed nobody knows what the disk has, and the kernel may have dropped it; so
// that and all later tickets have failed.
//
// Threads: Take and StateOf by any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace objpool::store {

class GroupCommit {
 public:
  struct Hooks {
    // Returns when the disk has everything that was stored before. False, with `why`, when it
    // cannot be had.
    std::function<bool(std::string& why)> sync;
    // After each sync. On the thread.
    std::function<void()> on_done;
  };
  explicit GroupCommit(Hooks hooks);
  ~GroupCommit();
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  // Syncs no more: what is pending stays so. Once more does nothing.
  void Stop();

  // Never 0.
  [[nodiscard]] uint64_t Take();
  enum class State : uint8_t { kPending, kDone, kFailed };
  [[nodiscard]] State StateOf(uint64_t ticket) const;
  [[nodiscard]] bool failed() const { return failed_.load(std::memory_order_acquire); }
  // Syncs so far.
  [[nodiscard]] uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }
  // Why the first sync that failed did; empty while none has.
  [[nodiscard]] std::string why() const;

 private:
  void Run();

  const Hooks hooks_;
  std::atomic<uint64_t> taken_{0};
  std::atomic<uint64_t> done_{0};
  std::atomic<bool> failed_{false};
  std::atomic<uint64_t> syncs_{0};
  mutable std::mutex lock_;
  std::condition_variable wanted_;
  bool stopping_ = false;
  std::string why_;
  std::thread thread_;
};

}  // namespace objpool::store
