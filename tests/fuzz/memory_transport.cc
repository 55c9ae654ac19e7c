#include "tests/fuzz/memory_transport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "pool/base/check.h"
#include "tests/fuzz/virtual_clock.h"

// The system's own, as the linker calls them here.
extern "C" {
int __real_epoll_ctl(int epoll, int operation, int fd, epoll_event* event);
int __real_accept4(int socket, sockaddr* address, socklen_t* bytes, int flags);
ssize_t __real_recv(int fd, void* to, size_t bytes, int flags);
ssize_t __real_send(int fd, const void* from, size_t bytes, int flags);
int __real_close(int fd);
int __real_setsockopt(int fd, int level, int name, const void* value, socklen_t bytes);
int __real_getpeername(int fd, sockaddr* address, socklen_t* bytes);
}

namespace objpool::fuzz {
namespace {

// No descriptor of a process is so large.
constexpr int kClientFd = 1 << 28;
constexpr std::size_t kKeptBytes = std::size_t{1} << 20;
constexpr uint64_t kTickNs = 20'000'000;
// A worker has one turn for each step and read, and while it settles one each 20 ms, for little
// longer than any of its clocks.
constexpr std::size_t kMostTurns = 20'000;

struct Network {
  int listener = -1;
  epoll_data_t listener_tag{};

  const std::vector<Step>* steps = nullptr;
  std::size_t next_step = 0;
  bool offered = false;  // the listener has said that somebody came
  bool accepted = false;
  bool open = false;
  bool ended = false;  // the client sends no more
  uint32_t interest = 0;
  epoll_data_t tag{};
  std::string_view to_read;
  std::size_t room = SIZE_MAX;
  Conversation conversation;
};

Network& network() {
  static Network one;
  return one;
}

int Tell(epoll_event* events, uint32_t what, epoll_data_t tag) {
  events[0].events = what;
  events[0].data = tag;
  return 1;
}

// What happens next on the open connection.
int NextEvent(Network& net, epoll_event* events) {
  if ((net.interest & EPOLLOUT) != 0 && net.room > 0) return Tell(events, EPOLLOUT, net.tag);
  if ((net.interest & EPOLLIN) != 0 && !net.to_read.empty()) {
    return Tell(events, EPOLLIN, net.tag);
  }
  if (net.next_step < net.steps->size()) {
    const Step& step = (*net.steps)[net.next_step++];
    // What a blocked server did not read before is lost, as it is with a client that is killed.
    net.to_read = step.bytes;
    VirtualNs() += step.later_ns;
    net.room = step.room;
    if ((net.interest & EPOLLIN) != 0 && !net.to_read.empty()) {
      return Tell(events, EPOLLIN, net.tag);
    }
    return 0;
  }
  net.ended = true;
  net.room = SIZE_MAX;
  if ((net.interest & EPOLLOUT) != 0) return Tell(events, EPOLLOUT, net.tag);
  return Tell(events, EPOLLIN, net.tag);
}

int Wait(epoll_event* events) {
  Network& net = network();
  // Before the first client the worker begins to listen.
  if (net.steps == nullptr) return 0;
  if (!std::exchange(net.offered, true)) return Tell(events, EPOLLIN, net.listener_tag);
  OBJPOOL_CHECK(net.accepted, "a client is let in");
  if (net.open) return NextEvent(net, events);
  VirtualNs() += kTickNs;
  return 0;
}

}  // namespace

Conversation RunClient(const std::vector<Step>& steps, const std::function<void()>& turn,
                       const std::function<bool()>& settled) {
  Network& net = network();
  // Later than anything that one before may have left, and as far from the next tick.
  constexpr uint64_t kSecondNs = 1'000'000'000;
  VirtualNs() = (VirtualNs() / kSecondNs + 2) * kSecondNs;
  if (net.listener < 0) turn();
  net.steps = &steps;
  net.next_step = 0;
  net.offered = net.accepted = net.open = net.ended = false;
  net.interest = 0;
  net.to_read = {};
  net.room = SIZE_MAX;
  net.conversation = {};
  do {
    OBJPOOL_CHECK(++net.conversation.turns <= kMostTurns, "a worker comes to an end");
    turn();
  } while (net.open || !settled());
  return std::move(net.conversation);
}

}  // namespace objpool::fuzz

using objpool::fuzz::kClientFd;
using objpool::fuzz::network;

extern "C" {

int __wrap_epoll_wait(int /*epoll*/, epoll_event* events, int /*most*/, int /*timeout*/) {
  return objpool::fuzz::Wait(events);
}

int __wrap_epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  auto& net = network();
  if (fd != kClientFd) {
    int listens = 0;
    socklen_t bytes = sizeof(listens);
    if (operation != EPOLL_CTL_DEL &&
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) == 0 && listens != 0) {
      net.listener = fd;
      net.listener_tag = event->data;
    }
    return __real_epoll_ctl(epoll, operation, fd, event);
  }
  net.interest = operation == EPOLL_CTL_DEL ? 0 : event->events;
  if (operation != EPOLL_CTL_DEL) net.tag = event->data;
  return 0;
}

int __wrap_accept4(int socket, sockaddr* address, socklen_t* bytes, int flags) {
  auto& net = network();
  if (socket != net.listener) return __real_accept4(socket, address, bytes, flags);
  if (!std::exchange(net.accepted, true)) {
    net.open = true;
    return kClientFd;
  }
  errno = EAGAIN;
  return -1;
}

ssize_t __wrap_recv(int fd, void* to, size_t bytes, int flags) {
  if (fd != kClientFd) return __real_recv(fd, to, bytes, flags);
  auto& net = network();
  if (net.to_read.empty()) {
    if (net.ended) return 0;
    errno = EAGAIN;
    return -1;
  }
  const std::size_t taken = std::min(bytes, net.to_read.size());
  std::memcpy(to, net.to_read.data(), taken);
  net.to_read.remove_prefix(taken);
  return static_cast<ssize_t>(taken);
}

ssize_t __wrap_send(int fd, const void* from, size_t bytes, int flags) {
  if (fd != kClientFd) return __real_send(fd, from, bytes, flags);
  auto& net = network();
  if (net.room == 0) {
    errno = EAGAIN;
    return -1;
  }
  const std::size_t taken = std::min(bytes, net.room);
  if (net.room != SIZE_MAX) net.room -= taken;
  std::string& sent = net.conversation.sent;
  sent.append(static_cast<const char*>(from),
              std::min(taken, objpool::fuzz::kKeptBytes - sent.size()));
  return static_cast<ssize_t>(taken);
}

int __wrap_close(int fd) {
  if (fd != kClientFd) return __real_close(fd);
  auto& net = network();
  OBJPOOL_CHECK(net.open, "a socket is closed once");
  net.conversation.cut = !net.ended;
  net.open = false;
  net.interest = 0;
  return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void* value, socklen_t bytes) {
  return fd == kClientFd ? 0 : __real_setsockopt(fd, level, name, value, bytes);
}

int __wrap_getpeername(int fd, sockaddr* address, socklen_t* bytes) {
  if (fd != kClientFd) return __real_getpeername(fd, address, bytes);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(0x0a000001);
  *bytes = sizeof(v4);
  std::memcpy(address, &v4, sizeof(v4));
  return 0;
}

}  // extern "C"
