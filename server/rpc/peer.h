// Peer: what is said of a client by its address.
#pragma once

#include <string>
#include <string_view>

namespace objpool::rpc {

// Of gRPC's URI of a peer: the host without its port. Of an IPv6 address the first 64 bits, as one
// host has all that begin so; of an IPv4 address in IPv6's clothes, the IPv4 address. "unix" for a
// socket of this machine. What is none of these, as it is.
[[nodiscard]] std::string PeerHost(std::string_view uri);

}  // namespace objpool::rpc
