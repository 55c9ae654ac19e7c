// EventSet: what a worker of engine h2 waits for: its sockets, other threads that wake it, and a
// tick, which is a moment that it has set. For one thread, but for Wake.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "server/rpc/boot_clock.h"

namespace objpool::rpc {

class EventSet {
 public:
  // Tags of events of its own. Others are those of Add; no address is one of these.
  static constexpr uint64_t kWake = 1;
  static constexpr uint64_t kTick = 2;

  // Who was served may ask again within `busy_poll`: so long it looks before it sleeps.
  explicit EventSet(std::chrono::microseconds busy_poll);
  EventSet(const EventSet&) = delete;
  EventSet& operator=(const EventSet&) = delete;
  ~EventSet();

  // Before anything else. False, with errno, where the system does not let it.
  [[nodiscard]] bool Open();

  // Bytes, or who comes. Add is false, with errno, where there is no memory, or it is there.
  [[nodiscard]] bool Add(int fd, epoll_data_t tag);
  void Remove(int fd);
  void Change(int fd, epoll_data_t tag, uint32_t events);

  // For so many milliseconds at the most; 0: not at all, -1: until something comes. `now` is the
  // time, as the caller has just read it.
  void Wait(int patience_ms, BootNs now);
  [[nodiscard]] std::span<const epoll_event> events() const { return {events_.data(), count_}; }
  void NoteServed(BootNs now) { served_at_ = now; }

  // Any thread: an event kWake, once until ClearWake. What was written before Wake is seen after
  // ClearWake, whichever of several calls made the event.
  void Wake();
  void ClearWake();

  // An event kTick from then on, until it is set anew.
  void SetTick(BootNs at);
  [[nodiscard]] BootNs tick() const { return tick_at_; }

 private:
  // Sees what there is; false when there is nothing.
  bool Ask(int patience_ms);

  const BootNs busy_poll_ns_;
  int epoll_ = -1;
  int wake_ = -1;  // an eventfd
  int tick_ = -1;  // a timerfd
  BootNs tick_at_ = 0;
  BootNs served_at_ = 0;
  std::array<epoll_event, 128> events_;
  std::size_t count_ = 0;
  std::atomic<bool> woken_{false};
};

}  // namespace objpool::rpc
