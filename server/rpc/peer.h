// Peer: what is said of a client by its address, or by its certificate.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace objpool::rpc {

// Of gRPC's URI of a peer: the host without its port. Of an IPv6 address the first 64 bits, as one
// host has all that begin so; of an IPv4 address in IPv6's clothes, the IPv4 address. "unix" for a
// socket of this machine. What is none of these, as it is.
[[nodiscard]] std::string PeerHost(std::string_view uri);

// Whom a certificate names. Its names are shown in any order, but those of one kind in theirs.
class CertificateNames {
 public:
  static constexpr std::size_t kMaxNameBytes = 2048;

  void AddUri(std::string_view uri);
  void AddDns(std::string_view name);
  void AddCommonName(std::string_view name);
  // The first URI that begins with "spiffe://"; else "dns:" and the first DNS name; else "cn:" and
  // the first common name; else "unnamed". Empty names, those that are too long, and those with
  // other characters than printable ASCII, are passed over.
  [[nodiscard]] std::string Peer() const;

 private:
  std::string spiffe_;
  std::string dns_;
  std::string common_;
};

}  // namespace objpool::rpc
