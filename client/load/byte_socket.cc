#include "client/load/byte_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace objpool::load {
namespace {

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// A connected socket, or -1 with errno.
int ConnectedSocket(const addrinfo& to) {
  const int fd = ::socket(to.ai_family, to.ai_socktype | SOCK_CLOEXEC, to.ai_protocol);
  if (fd < 0) return -1;
  const int on = 1;
  if (::connect(fd, to.ai_addr, to.ai_addrlen) == 0 &&
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0) {
    return fd;
  }
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

// The same, to the file of a Unix socket.
int ConnectedUnixSocket(std::string_view path) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path.size() >= sizeof(to.sun_path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  path.copy(to.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

}  // namespace

std::unique_ptr<ByteSocket> ByteSocket::Connect(const std::string& address, std::string& why) {
  constexpr std::string_view kUnix = "unix:";
  if (address.starts_with(kUnix)) {
    const int unix_fd = ConnectedUnixSocket(std::string_view(address).substr(kUnix.size()));
    if (unix_fd >= 0) return std::unique_ptr<ByteSocket>(new ByteSocket(unix_fd));
    why = address + ": " + std::strerror(errno);
    return nullptr;
  }
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    why = "not HOST:PORT: " + address;
    return nullptr;
  }
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error =
          ::getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &found);
      error != 0) {
    why = address + ": " + ::gai_strerror(error);
    return nullptr;
  }
  int fd = -1;
  for (const addrinfo* to = found; to != nullptr && fd < 0; to = to->ai_next) {
    fd = ConnectedSocket(*to);
  }
  if (fd < 0) why = address + ": " + std::strerror(errno);
  ::freeaddrinfo(found);
  if (fd < 0) return nullptr;
  return std::unique_ptr<ByteSocket>(new ByteSocket(fd));
}

ByteSocket::~ByteSocket() { ::close(fd_); }

bool ByteSocket::Flush(std::string& why) {
  while (sent_ < out_.size()) {
    const ssize_t bytes =
        ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (bytes < 0) {
      if (WouldBlock()) return true;
      why = std::string("sending: ") + std::strerror(errno);
      return false;
    }
    sent_ += static_cast<std::size_t>(bytes);
  }
  out_.clear();
  sent_ = 0;
  return true;
}

bool ByteSocket::Read(bool& more, std::string& why) {
  more = false;
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ > in_.size() / 2) {
    std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == in_.size()) {
    why = "an answer is too long";
    return false;
  }
  const ssize_t bytes = ::recv(fd_, in_.data() + end_, in_.size() - end_, MSG_DONTWAIT);
  if (bytes > 0) {
    end_ += static_cast<std::size_t>(bytes);
    more = end_ == in_.size();
    return true;
  }
  if (bytes < 0 && WouldBlock()) return true;
  why = bytes == 0 ? "the server closed the connection" : std::strerror(errno);
  return false;
}

bool ByteSocket::WaitReadable(int ms) const {
  pollfd event{.fd = fd_, .events = POLLIN, .revents = 0};
  return ::poll(&event, 1, ms) == 1;
}

}  // namespace objpool::load
