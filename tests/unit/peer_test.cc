// Goal: clients are told apart by their hosts, in whatever clothes gRPC shows their addresses.
#include "server/rpc/peer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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
  EXPECT_EQ(PeerHost("ipv4"), "ipv4");
  EXPECT_EQ(PeerHost("ipv6"), "ipv6");
  EXPECT_EQ(PeerHost("ipv6:[nonsense"), "nonsense");
}

std::string NamedBy(const std::vector<std::string>& uris, const std::vector<std::string>& dns,
                    const std::vector<std::string>& common) {
  CertificateNames names;
  for (const std::string& name : common) names.AddCommonName(name);
  for (const std::string& name : dns) names.AddDns(name);
  for (const std::string& uri : uris) names.AddUri(uri);
  return names.Peer();
}

TEST(CertificateNames, TheFirstOfTheBestKindCounts) {
  EXPECT_EQ(NamedBy({"https://a", "spiffe://t/a", "spiffe://t/b"}, {"d"}, {"c"}), "spiffe://t/a");
  EXPECT_EQ(NamedBy({"https://a", "SPIFFE://t/a"}, {"d", "e"}, {"c"}), "dns:d");
  EXPECT_EQ(NamedBy({}, {}, {"a person", "another"}), "cn:a person");
  EXPECT_EQ(NamedBy({}, {}, {}), "unnamed");
}

TEST(CertificateNames, WhatCannotBeShownIsPassedOver) {
  using namespace std::string_literals;
  const std::string longest(CertificateNames::kMaxNameBytes, 'x');
  EXPECT_EQ(NamedBy({}, {longest + "x", longest}, {}), "dns:" + longest);
  EXPECT_EQ(NamedBy({}, {""}, {"c"}), "cn:c");
  for (const std::string& bad : {"a\nb"s, "a\0b"s, "\x7f"s, "\xc3\xa9"s}) {
    EXPECT_EQ(NamedBy({"spiffe://" + bad}, {bad}, {bad}), "unnamed");
    EXPECT_EQ(NamedBy({"spiffe://" + bad, "spiffe://good"}, {bad}, {bad}), "spiffe://good");
  }
}

}  // namespace
}  // namespace objpool::rpc
