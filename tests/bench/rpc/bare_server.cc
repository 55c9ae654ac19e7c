// rpc_bare: a bare server.
//
//   rpc_bare h2|tcp READY_FILE
//
// Its address is in the file once it serves. Until it is killed.
#include "tests/bench/rpc/bare_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <unordered_map>
#include <vector>

namespace objpool::bench {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} * 1024;
constexpr int kBacklog = 128;

int Listen(std::string& address) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof(here);
  auto* const any = reinterpret_cast<sockaddr*>(&here);
  if (listener < 0 || bind(listener, any, bytes) != 0 || listen(listener, kBacklog) != 0 ||
      getsockname(listener, any, &bytes) != 0) {
    return -1;
  }
  address = "127.0.0.1:" + std::to_string(ntohs(here.sin_port));
  return listener;
}

bool SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    pollfd writable{.fd = socket, .events = POLLOUT, .revents = 0};
    if (errno != EAGAIN || poll(&writable, 1, -1) < 0) return false;
  }
  return true;
}

class BareServer {
 public:
  BareServer(int listener, const BareProtocolMaker& make)
      : listener_(listener), make_(make), epoll_(epoll_create1(EPOLL_CLOEXEC)), in_(kReadBytes) {
    Watch(listener_);
  }

  [[noreturn]] void Run() {
    std::array<epoll_event, 128> events{};
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        const int ready = events[static_cast<std::size_t>(i)].data.fd;
        if (ready == listener_) {
          Accept();
        } else if (!Serve(ready)) {
          connections_.erase(ready);
          close(ready);
        }
      }
    }
  }

 private:
  void Watch(int socket) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = socket}};
    (void)epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  }
  void Accept() {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return;
    const int on = 1;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connections_[socket] = make_();
    Watch(socket);
  }
  // What there is to read, and one answer to all of it.
  [[nodiscard]] bool Serve(int socket) {
    const ssize_t count = recv(socket, in_.data(), in_.size(), 0);
    if (count < 0 && errno == EAGAIN) return true;
    if (count <= 0) return false;
    out_.clear();
    return connections_[socket]->OnBytes({in_.data(), static_cast<std::size_t>(count)}, out_) &&
           SendAll(socket, out_);
  }

  const int listener_;
  const BareProtocolMaker& make_;
  const int epoll_;
  std::vector<char> in_;
  std::string out_;
  std::unordered_map<int, std::unique_ptr<BareProtocol>> connections_;
};

class BareTcp final : public BareProtocol {
 public:
  [[nodiscard]] bool OnBytes(std::string_view bytes, std::string& out) override {
    out.append(bytes);
    return true;
  }
};

}  // namespace

std::unique_ptr<BareProtocol> MakeBareTcp() { return std::make_unique<BareTcp>(); }

bool ServeBare(const BareProtocolMaker& make,
               const std::function<void(const std::string& address)>& listening) {
  std::string address;
  const int listener = Listen(address);
  if (listener < 0) return false;
  listening(address);
  BareServer(listener, make).Run();
}

}  // namespace objpool::bench

int main(int argc, char** argv) {
  const std::string_view protocol = argc == 3 ? argv[1] : "";
  if (protocol != "h2" && protocol != "tcp") {
    std::fputs("rpc_bare h2|tcp READY_FILE\n", stderr);
    return 2;
  }
  const auto make = protocol == "h2" ? objpool::bench::MakeBareH2 : objpool::bench::MakeBareTcp;
  const std::string ready = argv[2];
  if (objpool::bench::ServeBare(make, [&ready](const std::string& address) {
        std::ofstream(ready) << address << std::endl;
      })) {
    return 0;
  }
  std::perror("rpc_bare");
  return 1;
}
