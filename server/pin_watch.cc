#include "server/pin_watch.h"

#include <utility>

namespace objpool::server {
namespace {

constexpr rpc::BootNs kLookEveryNs = 1'000'000'000;

}  // namespace

PinWatch::PinWatch(const std::vector<std::optional<uint32_t>>& cpus, System system)
    : system_(std::move(system)), workers_(cpus.size()) {
  for (std::size_t i = 0; i < cpus.size(); ++i) workers_[i].cpu = cpus[i];
}

void PinWatch::Look(uint32_t index, rpc::BootNs now) {
  Worker& worker = workers_[index];
  if (!worker.cpu || now < worker.next_look) return;
  worker.next_look = now + kLookEveryNs;
  const bool first = !std::exchange(worker.seen, true);
  const std::string name = "worker " + std::to_string(index);
  const std::string cpu = "CPU " + std::to_string(*worker.cpu);
  const std::vector<uint32_t> allowed = system_.allowed();
  bool pinned = allowed.size() == 1 && allowed.front() == *worker.cpu;
  std::string why;
  if (!pinned) {
    pinned = system_.pin(*worker.cpu, why);
    // What failed at the start was told then.
    if (!worker.told_lost && !first) {
      losses_.fetch_add(1, std::memory_order_relaxed);
      Tell(pinned ? name + " was let off " + cpu + ", and is back on it"
                  : name + " cannot stay on " + cpu + " (" + why + "), and runs on any of " +
                        std::to_string(allowed.size()) + " CPUs");
    }
  }
  if (pinned && worker.told_lost) Tell(name + " is back on " + cpu);
  worker.told_lost = !pinned;
  worker.pinned.store(pinned, std::memory_order_relaxed);
}

void PinWatch::Tell(std::string line) {
  const std::scoped_lock lock(news_lock_);
  if (news_.size() < kMaxNews) news_.push_back(std::move(line));
}

std::vector<std::string> PinWatch::TakeNews() {
  const std::scoped_lock lock(news_lock_);
  return std::exchange(news_, {});
}

}  // namespace objpool::server
