#include "server/rpc/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

namespace objpool::rpc {
namespace {

std::string HostOfV6(std::string_view host) {
  in6_addr address{};
  if (inet_pton(AF_INET6, std::string(host).c_str(), &address) != 1) return std::string(host);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (IN6_IS_ADDR_V4MAPPED(&address) != 0) {
    constexpr std::size_t kPrefix = 12;
    return inet_ntop(AF_INET, address.s6_addr + kPrefix, text.data(), text.size());
  }
  constexpr std::size_t kNetwork = 8;
  const bool loopback = IN6_IS_ADDR_LOOPBACK(&address) != 0;
  if (!loopback) std::fill(address.s6_addr + kNetwork, std::end(address.s6_addr), uint8_t{0});
  const std::string shown = inet_ntop(AF_INET6, &address, text.data(), text.size());
  return loopback ? shown : shown + "/64";
}

// "%5B" and "%5D" are the brackets of an IPv6 address, and "%25" is what a zone begins with.
std::string Unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view code = text.substr(i, 3);
    const char plain = code == "%5B" ? '[' : code == "%5D" ? ']' : code == "%25" ? '%' : '\0';
    out += plain == '\0' ? text[i] : plain;
    if (plain != '\0') i += 2;
  }
  return out;
}

// Takes the name if it is the first one that is any good.
void Take(std::string_view name, std::string_view prefix, std::string& into) {
  const bool printable = std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~'; });
  if (!into.empty() || name.empty() || !printable) return;
  if (name.size() > CertificateNames::kMaxNameBytes) return;
  into = prefix;
  into += name;
}

}  // namespace

void CertificateNames::AddUri(std::string_view uri) {
  if (uri.starts_with("spiffe://")) Take(uri, "", spiffe_);
}

void CertificateNames::AddDns(std::string_view name) { Take(name, "dns:", dns_); }

void CertificateNames::AddCommonName(std::string_view name) { Take(name, "cn:", common_); }

std::string CertificateNames::Peer() const {
  if (!spiffe_.empty()) return spiffe_;
  if (!dns_.empty()) return dns_;
  return common_.empty() ? "unnamed" : common_;
}

std::string PeerHost(std::string_view uri) {
  const std::string_view kind = uri.substr(0, uri.find(':'));
  if (kind == "unix" || kind == "unix-abstract") return "unix";
  if ((kind != "ipv4" && kind != "ipv6") || kind == uri) return std::string(uri);
  const std::string rest = Unescaped(uri.substr(kind.size() + 1));
  std::string host = rest.substr(0, rest.rfind(':'));
  if (kind == "ipv4") return host;
  const std::string_view whole = host;
  const std::size_t first = whole.starts_with('[') ? 1 : 0;
  return HostOfV6(whole.substr(first, whole.find_first_of("]%", first) - first));
}

}  // namespace objpool::rpc
