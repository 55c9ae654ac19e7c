#include "server/rpc/port_claim.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

namespace objpool::rpc {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// Whether the port can be bound without sharing; else errno says why not.
bool CanBind(const addrinfo& at) {
  const int fd = socket(at.ai_family, at.ai_socktype | SOCK_CLOEXEC, at.ai_protocol);
  if (fd < 0) return true;  // no such kind of address here: gRPC will not bind it either
  const int on = 1;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool bound = bind(fd, at.ai_addr, at.ai_addrlen) == 0;
  const int error = errno;
  close(fd);
  errno = error;
  return bound;
}

std::string NameOf(const addrinfo& at) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  (void)getnameinfo(at.ai_addr, at.ai_addrlen, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV);
  return std::string("objpoold/") + host.data() + "/" + port.data();
}

}  // namespace

int TakeAbstractName(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::min(name.size(), sizeof(address.sun_path) - 1);
  std::memcpy(address.sun_path + 1, name.data(), length);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return kNoSuchSockets;
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), bytes) == 0) return fd;
  const int error = errno;
  close(fd);
  return error == EADDRINUSE ? kNameTaken : kNoSuchSockets;
}

std::optional<PortClaim> PortClaim::Take(const std::string& host, uint16_t port, std::string& why) {
  PortClaim claim;
  if (port == 0 || host.empty()) return claim;
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string what = "cannot listen on " + host + " port " + std::to_string(port) + ": ";
  const int rc = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (rc != 0) {
    why = what + gai_strerror(rc);
    return std::nullopt;
  }
  const Addresses addresses(found, &freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int fd = TakeAbstractName(NameOf(*at));
    if (fd >= 0) claim.fds_.push_back(fd);
    if (fd == kNameTaken || !CanBind(*at)) {
      why = what + std::strerror(fd == kNameTaken ? EADDRINUSE : errno);
      return std::nullopt;
    }
  }
  return claim;
}

PortClaim::~PortClaim() {
  for (const int fd : fds_) close(fd);
}

}  // namespace objpool::rpc
