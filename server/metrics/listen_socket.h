// ListenSocket: a TCP socket that listens, and where.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace objpool::metrics {

class ListenSocket {
 public:
  // None, with `why`, when the address cannot be had. The first that `host` stands for and that can
  // be bound is taken; port 0 takes a free one.
  [[nodiscard]] static std::optional<ListenSocket> Open(const std::string& host, uint16_t port,
                                                        std::string& why);
  ~ListenSocket();
  ListenSocket(ListenSocket&& other) noexcept;
  ListenSocket& operator=(ListenSocket&&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  // As bound: "127.0.0.1:9742" or "[::1]:9742".
  [[nodiscard]] const std::string& address() const { return address_; }
  // The descriptor, which does not block. Its new owner closes it.
  [[nodiscard]] int Release();

 private:
  explicit ListenSocket(int fd) : fd_(fd) {}

  int fd_;
  uint16_t port_ = 0;
  std::string address_;
};

}  // namespace objpool::metrics
