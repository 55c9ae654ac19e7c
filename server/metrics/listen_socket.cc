#include "server/metrics/listen_socket.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>

namespace objpool::metrics {
namespace {

// The descriptor, or -1 with errno.
int ListenAt(const addrinfo& at) {
  const int fd =
      socket(at.ai_family, at.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at.ai_protocol);
  if (fd < 0) return -1;
  const int on = 1;  // or a restart would wait for old connections to fade away
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(fd, at.ai_addr, at.ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0) {
    return fd;
  }
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

std::optional<ListenSocket> ListenSocket::Open(const std::string& host, uint16_t port,
                                               std::string& why) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    why = host + ": " + gai_strerror(error);
    return std::nullopt;
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, freeaddrinfo);
  int fd = -1;
  for (const addrinfo* at = found; at != nullptr && fd < 0; at = at->ai_next) fd = ListenAt(*at);
  ListenSocket result(fd);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  auto* const address = reinterpret_cast<sockaddr*>(&bound);
  std::array<char, NI_MAXHOST> name{};
  std::array<char, NI_MAXSERV> service{};
  if (fd < 0 || getsockname(fd, address, &size) != 0 ||
      getnameinfo(address, size, name.data(), name.size(), service.data(), service.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    why = host + " port " + std::to_string(port) + ": " + std::generic_category().message(errno);
    return std::nullopt;
  }
  const std::string text = name.data();
  result.port_ = static_cast<uint16_t>(std::strtoul(service.data(), nullptr, 10));
  result.address_ = (bound.ss_family == AF_INET6 ? "[" + text + "]" : text) + ":" + service.data();
  return result;
}

ListenSocket::~ListenSocket() {
  if (fd_ >= 0) close(fd_);
}

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), port_(other.port_), address_(std::move(other.address_)) {}

int ListenSocket::Release() { return std::exchange(fd_, -1); }

}  // namespace objpool::metrics
