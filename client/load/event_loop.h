// EventLoop: waits for many sockets at once, for a load of one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace objpool::load {

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Tells of a socket under a number, from then on.
  void Add(int fd, uint32_t number);
  // Whether it wants to be told too when something can be sent again. Not, at first.
  void WantWritable(int fd, uint32_t number, bool wants);
  // Waits for at most so long, and tells of each socket that can be read or written.
  void Turn(std::chrono::nanoseconds most, const std::function<void(uint32_t number)>& on_ready);

  [[nodiscard]] static uint64_t NowNs();

 private:
  int epoll_;
};

}  // namespace objpool::load
