#include "server/config/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace objpool::server {
namespace {

constexpr std::size_t kMaxHostBytes = 253;  // as in DNS

bool IsIpv6(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool IsName(std::string_view host) {
  return !host.empty() && host.size() <= kMaxHostBytes && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  });
}

// None, with `why`, when `text` is no host; without its brackets otherwise.
std::optional<std::string> ParseHost(std::string_view text, std::string& why) {
  if (text.starts_with('[') && text.ends_with(']')) {
    const std::string host(text.substr(1, text.size() - 2));
    if (IsIpv6(host)) return host;
    why = "the brackets hold no IPv6 address";
  } else if (text.empty()) {
    why = "the host is missing; for all addresses say 0.0.0.0 or [::]";
  } else if (text.find(':') != std::string_view::npos) {
    why = "an IPv6 address needs brackets, as in [::1]:7420";
  } else if (IsName(text)) {
    return std::string(text);
  } else {
    why = "the host is neither an address nor a name";
  }
  return std::nullopt;
}

std::optional<uint16_t> ParsePort(std::string_view text, std::string& why) {
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (!text.empty() && error == std::errc() && stop == end) return port;
  why = "the port is not a number of 0 .. 65535";
  return std::nullopt;
}

}  // namespace

std::optional<Endpoint> ParseEndpoint(std::string_view text, std::string& why) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    why = "there is no ':' with a port after it";
    return std::nullopt;
  }
  const std::optional<std::string> host = ParseHost(text.substr(0, colon), why);
  if (!host) return std::nullopt;
  const std::optional<uint16_t> port = ParsePort(text.substr(colon + 1), why);
  if (!port) return std::nullopt;
  return Endpoint{*host, *port};
}

std::string FormatEndpoint(const Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

bool IsLoopback(std::string_view host) {
  const std::string text(host);
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
  in6_addr v6;
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6) != 0;
  return host == "localhost";
}

}  // namespace objpool::server
