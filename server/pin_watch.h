// PinWatch: whether workers are still held to their CPUs. A control group's CPUs can be changed,
// and a CPU taken offline, while the server runs; the kernel then moves the thread and tells
// nobody.
//
// A worker that was let off its CPU goes back, if it may; else it runs where it is let, serves as
// before, and tries again every second. Its slot stays its own, so only locality is lost.
//
// Threads: Look by each worker for itself; the rest by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pool/base/cache_line.h"
#include "server/rpc/boot_clock.h"

namespace objpool::server {

class PinWatch {
 public:
  // What it asks the system; tests have one of their own. Of the calling thread both.
  struct System {
    std::function<bool(uint32_t cpu, std::string& why)> pin;
    std::function<std::vector<uint32_t>()> allowed;
  };
  // The CPU of each worker; empty: it need not be held.
  PinWatch(const std::vector<std::optional<uint32_t>>& cpus, System system);

  // Every turn; looks once a second.
  void Look(uint32_t worker, rpc::BootNs now);

  [[nodiscard]] bool pinned(uint32_t worker) const {
    return workers_[worker].pinned.load(std::memory_order_relaxed);
  }
  // How often any worker was found off its CPU.
  [[nodiscard]] uint64_t losses() const { return losses_.load(std::memory_order_relaxed); }
  // What somebody should be told, since the last call; kMaxNews lines at most.
  [[nodiscard]] std::vector<std::string> TakeNews();

 private:
  static constexpr std::size_t kMaxNews = 64;
  struct alignas(base::kCacheLineBytes) Worker {
    std::optional<uint32_t> cpu;
    rpc::BootNs next_look = 0;
    bool told_lost = false;
    bool seen = false;
    std::atomic<bool> pinned{false};
  };
  void Tell(std::string line);

  const System system_;
  std::vector<Worker> workers_;
  std::atomic<uint64_t> losses_{0};
  std::mutex news_lock_;
  std::vector<std::string> news_;
};

}  // namespace objpool::server
