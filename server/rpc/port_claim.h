// PortClaim: makes sure that a shared port is this server's alone.
//
// Workers listen on one port with SO_REUSEPORT, which also lets in a second server that asks for
// the same: each would lease the same handles. Hence a claim, held for as long as the server
// serves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace objpool::rpc {

// Takes an abstract Unix name, which is one for each network namespace, as ports are, and goes with
// the process: a socket that holds it, kNameTaken, or kNoSuchSockets where nothing can be claimed.
[[nodiscard]] int TakeAbstractName(const std::string& name);
inline constexpr int kNameTaken = -1;
inline constexpr int kNoSuchSockets = -2;

class PortClaim {
 public:
  // None, with `why`, when another server has the claim, or anybody else the port. For port 0,
  // which is nobody's yet, and without a host it claims nothing.
  [[nodiscard]] static std::optional<PortClaim> Take(const std::string& host, uint16_t port,
                                                     std::string& why);
  ~PortClaim();
  PortClaim(PortClaim&& other) noexcept : fds_(std::exchange(other.fds_, {})) {}
  PortClaim& operator=(PortClaim&&) = delete;

 private:
  PortClaim() = default;

  std::vector<int> fds_;  // one for each address of the host
};

}  // namespace objpool::rpc
