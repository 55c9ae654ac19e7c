// Endpoint: where a listener is, "HOST:PORT".
//
// The host is an IPv4 address, an IPv6 address (in text, within brackets: "[::1]:7420") or a name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace objpool::server {

// A Unix socket's file is told by "unix:" before its path.
inline constexpr std::string_view kUnixPrefix = "unix:";

struct Endpoint {
  std::string host;  // without brackets
  uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
};

// None, with `why`, when `text` is not "HOST:PORT".
[[nodiscard]] std::optional<Endpoint> ParseEndpoint(std::string_view text, std::string& why);

// Parses back to the same.
[[nodiscard]] std::string FormatEndpoint(const Endpoint& endpoint);

// Whether only this host can reach it: 127.0.0.0/8, ::1 or the name "localhost". Every other name
// and every other way to write an address counts as reachable from elsewhere.
[[nodiscard]] bool IsLoopback(std::string_view host);

}  // namespace objpool::server
