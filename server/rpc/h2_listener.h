// H2Listener: the sockets on which one worker takes connections, beside the other workers' on the
// same port. It survives the want of descriptors: one is kept in reserve, with which a connection
// is taken and closed, so that its client does not wait for nothing.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/rpc/unix_socket_file.h"

namespace objpool::rpc {

class H2Listener {
 public:
  H2Listener() = default;
  ~H2Listener() { Close(); }
  H2Listener(const H2Listener&) = delete;
  H2Listener& operator=(const H2Listener&) = delete;

  // On all addresses of the host; port 0 takes any. Returns the port; 0, with `why`, when it cannot
  // be had.
  [[nodiscard]] uint16_t Listen(const std::string& host, uint16_t port, std::string& why);
  [[nodiscard]] const std::vector<int>& sockets() const { return sockets_; }
  // Likewise, on that file.
  [[nodiscard]] bool ListenUnix(UnixSocketFile& file, std::string& why);
  [[nodiscard]] bool IsUnix(int socket) const { return socket == unix_; }
  // From now on the kernel gives a connection to the listener, of those on this port in the order
  // in which they listened, whose CPU saw it come; and to any where it is none of these. False,
  // with `why`, when it cannot.
  [[nodiscard]] bool SteerByCpu(std::span<const std::optional<uint32_t>> cpus, std::string& why);
  // A new connection, not blocking; kNone when there is none. Where the system has no descriptor
  // for one: kRefused, and it is closed; kStarved when not even that could be done. Whoever else
  // accepts holds the lock too, so that nobody takes the reserve meanwhile.
  [[nodiscard]] int Accept(int socket, std::mutex& accepting);
  static constexpr int kNone = -1;
  static constexpr int kRefused = -2;
  static constexpr int kStarved = -3;
  void Close();

 private:
  void KeepSpare();

  std::vector<int> sockets_;
  int unix_ = -1;  // one of these
  int spare_ = -1;
};

// Who is at the other end, as rpc::PeerHost says it; of a Unix socket, the user by its number:
// "uid:1000".
[[nodiscard]] std::string PeerOf(int socket);

}  // namespace objpool::rpc
