#include "server/rpc/h2_listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "server/rpc/peer.h"
#include "server/rpc/unix_socket_file.h"

namespace objpool::rpc {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

int OpenSpare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

uint16_t PortOf(int socket) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) return 0;
  // Both kinds have the port in the same place.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

// A socket that listens there, or -1 with errno.
int ListenAt(const addrinfo& at) {
  const int fd = socket(at.ai_family, at.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
      setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
      bind(fd, at.ai_addr, at.ai_addrlen) == 0 && listen(fd, UnixSocketFile::kBacklog) == 0) {
    return fd;
  }
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

bool IsShort(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

uint16_t H2Listener::Listen(const std::string& host, uint16_t port, std::string& why) {
  const std::string what = "cannot listen on " + host + " port " + std::to_string(port) + ": ";
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int rc = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (rc != 0) {
    why = what + gai_strerror(rc);
    return 0;
  }
  const Addresses addresses(found, &freeaddrinfo);
  int error = 0;
  for (addrinfo* at = found; at != nullptr; at = at->ai_next) {
    reinterpret_cast<sockaddr_in*>(at->ai_addr)->sin_port = htons(port);
    const int fd = ListenAt(*at);
    if (fd < 0) {
      error = errno;
      // A host may have names of a kind that this machine does not speak.
      if (error == EAFNOSUPPORT || error == EADDRNOTAVAIL) continue;
      break;
    }
    sockets_.push_back(fd);
    port = PortOf(fd);
    error = 0;
  }
  if (sockets_.empty() || (error != 0 && error != EAFNOSUPPORT && error != EADDRNOTAVAIL)) {
    why = what + std::strerror(error);
    return 0;
  }
  KeepSpare();
  return port;
}

bool H2Listener::ListenUnix(UnixSocketFile& file, std::string& why) {
  unix_ = file.Listen(why);
  if (unix_ < 0) return false;
  sockets_.push_back(unix_);
  KeepSpare();
  return true;
}

void H2Listener::KeepSpare() {
  if (spare_ < 0) spare_ = OpenSpare();
}

bool H2Listener::SteerByCpu(std::span<const std::optional<uint32_t>> cpus, std::string& why) {
  // "The CPU is this one: the first", and so on. What is no listener's index means any.
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_CPU))};
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    if (!cpus[i]) {
      why = "cannot steer by CPU: worker " + std::to_string(i) + " is not pinned to one";
      return false;
    }
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, *cpus[i], 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, static_cast<uint32_t>(i)));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, ~uint32_t{0}));
  const sock_fprog given = {.len = static_cast<unsigned short>(program.size()),
                            .filter = program.data()};
  for (const int socket : sockets_) {
    if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &given, sizeof(given)) == 0) {
      continue;
    }
    why = std::string("cannot steer by CPU: ") + std::strerror(errno);
    return false;
  }
  return true;
}

int H2Listener::Accept(int socket, std::mutex& accepting) {
  const std::scoped_lock lock(accepting);
  const int fd = accept4(socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    const int on = 1;
    if (!IsUnix(socket)) (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
  }
  if (!IsShort(errno)) return kNone;
  if (spare_ < 0) {
    spare_ = OpenSpare();
    return kStarved;
  }
  close(spare_);
  const int refused = accept4(socket, nullptr, nullptr, SOCK_CLOEXEC);
  if (refused >= 0) close(refused);
  spare_ = OpenSpare();
  return refused >= 0 ? kRefused : kStarved;
}

void H2Listener::Close() {
  for (const int fd : sockets_) close(fd);
  sockets_.clear();
  if (spare_ >= 0) close(spare_);
  spare_ = -1;
}

std::string PeerOf(int socket) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) return "unknown";
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_UNIX) {
    ucred who{};
    socklen_t size = sizeof(who);
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return "unix";
    return "uid:" + std::to_string(who.uid);
  }
  if (address.ss_family == AF_INET) {
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(&address);
    (void)inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return PeerHost(std::string("ipv4:") + text.data() + ":0");
  }
  const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(&address);
  (void)inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return PeerHost(std::string("ipv6:[") + text.data() + "]:0");
}

}  // namespace objpool::rpc
