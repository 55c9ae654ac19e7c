#include "client/load/event_loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <ctime>

#include "pool/base/check.h"

namespace objpool::load {
namespace {

void Control(int epoll, int operation, int fd, uint32_t number, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u32 = number;
  OBJPOOL_CHECK(::epoll_ctl(epoll, operation, fd, &event) == 0, "a socket can be waited for");
}

}  // namespace

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  OBJPOOL_CHECK(epoll_ >= 0, "there is a descriptor for epoll");
}

EventLoop::~EventLoop() { ::close(epoll_); }

void EventLoop::Add(int fd, uint32_t number) {
  Control(epoll_, EPOLL_CTL_ADD, fd, number, EPOLLIN);
}

void EventLoop::WantWritable(int fd, uint32_t number, bool wants) {
  Control(epoll_, EPOLL_CTL_MOD, fd, number, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void EventLoop::Turn(std::chrono::nanoseconds most,
                     const std::function<void(uint32_t number)>& on_ready) {
  constexpr std::chrono::nanoseconds kLongest = std::chrono::milliseconds(100);
  std::array<epoll_event, 128> events;
  const auto time = std::min<std::chrono::nanoseconds>(most, kLongest);
  const timespec until{.tv_sec = 0, .tv_nsec = time.count()};
  const auto room = static_cast<int>(events.size());
  int count = ::epoll_pwait2(epoll_, events.data(), room, &until, nullptr);
  if (count < 0 && (errno == ENOSYS || errno == EPERM)) {
    // Older kernels and some sandboxes. Rounded up: a loop that turns without waiting would take
    // the CPU from the server.
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(time);
    count = ::epoll_wait(epoll_, events.data(), room, static_cast<int>(ms.count()));
  }
  OBJPOOL_CHECK(count >= 0 || errno == EINTR, "epoll waits");
  for (int i = 0; i < count; ++i) on_ready(events[static_cast<std::size_t>(i)].data.u32);
}

uint64_t EventLoop::NowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace objpool::load
