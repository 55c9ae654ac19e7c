#include "server/notify_socket.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace objpool::server {
namespace {

// Nothing where it is not a positive number.
std::optional<int64_t> Number(const char* text) {
  int64_t value = 0;
  const char* const end = text + std::strlen(text);
  const auto [stopped, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stopped != end || value <= 0) return std::nullopt;
  return value;
}

std::string Refused(const char* key, const char* limit, const char* value) {
  return std::string(key) + ": must be " + limit + ", but is \"" + value + '"';
}

// A socket that is connected to `name`, or -1 with errno.
int Connect(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() > sizeof(address.sun_path) - 1) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::ranges::copy(name, address.sun_path);
  // An abstract name begins with a zero and ends without one.
  if (name.front() == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return -1;
  const timeval patience = {.tv_sec = 1, .tv_usec = 0};
  if (setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
      connect(socket, reinterpret_cast<const sockaddr*>(&address), length) == 0) {
    return socket;
  }
  const int error = errno;
  close(socket);
  errno = error;
  return -1;
}

// A status is one line.
std::string Line(std::string_view text) {
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');
  return line;
}

}  // namespace

NotifySocket::Environment NotifySocket::OfThisProcess() {
  return {.socket = std::getenv("NOTIFY_SOCKET"),
          .watchdog_usec = std::getenv("WATCHDOG_USEC"),
          .watchdog_pid = std::getenv("WATCHDOG_PID")};
}

NotifySocket::NotifySocket(const Environment& environment, std::string& why) {
  const char* const name = environment.socket;
  if (name == nullptr || *name == '\0') return;
  if (*name != '/' && *name != '@') {
    why = Refused("NOTIFY_SOCKET", "an absolute path or @NAME", name);
    return;
  }
  socket_ = Connect(name);
  if (socket_ < 0) {
    why = std::string("NOTIFY_SOCKET ") + name + ": " + std::strerror(errno);
    return;
  }
  if (environment.watchdog_usec == nullptr) return;
  // Of another process, which left it in our environment.
  if (environment.watchdog_pid != nullptr &&
      Number(environment.watchdog_pid) != static_cast<int64_t>(getpid())) {
    return;
  }
  if (const auto usec = Number(environment.watchdog_usec)) {
    watchdog_ = std::chrono::microseconds(*usec);
  } else {
    why = Refused("WATCHDOG_USEC", "a number of microseconds above 0", environment.watchdog_usec);
  }
}

NotifySocket::~NotifySocket() {
  if (socket_ >= 0) close(socket_);
}

bool NotifySocket::Ready(std::string_view status) {
  return Send("READY=1\nSTATUS=" + Line(status));
}

bool NotifySocket::Alive() { return Send("WATCHDOG=1"); }

bool NotifySocket::Stopping(std::string_view status, std::chrono::microseconds at_most) {
  return Send("STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(at_most.count()) +
              "\nSTATUS=" + Line(status));
}

bool NotifySocket::Send(const std::string& message) {
  if (socket_ < 0) return true;
  ssize_t sent = 0;
  do {
    sent = send(socket_, message.data(), message.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(message.size());
}

}  // namespace objpool::server
