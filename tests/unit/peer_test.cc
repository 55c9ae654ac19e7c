// Goal: clients are told apart by their hosts, in whatever clothes gRPC shows their addresses.
#include "server/rpc/peer.h"

#include <gtest/gtest.h>

namespace objpool::rpc {
namespace {

TEST(Peer, IsTheHostWithoutItsPort) {
  EXPECT_EQ(PeerHost("ipv4:10.1.2.3:5678"), "10.1.2.3");
  EXPECT_EQ(PeerHost("ipv6:[::1]:5678"), "::1");
  EXPECT_EQ(PeerHost("unix:/run/a:b"), "unix");
  EXPECT_EQ(PeerHost("unix-abstract:x"), "unix");
}

TEST(Peer, OfIpv6IsTheNetwork) {
  EXPECT_EQ(PeerHost("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:99"), "2001:db8:1:2::/64");
  EXPECT_EQ(PeerHost("ipv6:[fe80::1%25eth0]:99"), "fe80::/64");
}

TEST(Peer, OfIpv4InIpv6IsTheIpv4One) {
  EXPECT_EQ(PeerHost("ipv6:%5B::ffff:10.1.2.3%5D:99"), "10.1.2.3");
}

TEST(Peer, OfWhatIsNoAddressIsAsItIs) {
  EXPECT_EQ(PeerHost(""), "");
  EXPECT_EQ(PeerHost("fd:7"), "fd:7");
  EXPECT_EQ(PeerHost("ipv6:"), "");
  EXPECT_EQ(PeerHost("ipv6:[nonsense"), "nonsense");
}

}  // namespace
}  // namespace objpool::rpc
