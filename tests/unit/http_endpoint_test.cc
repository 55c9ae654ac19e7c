// The HTTP endpoint, over real sockets, with clients that mean no good among them.
#include "server/metrics/http_endpoint.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace objpool::metrics {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Longer than any test: what is answered was not answered because a connection timed out.
constexpr unsigned kNeverS = 600;

class Client {
 public:
  // Reads and writes that take 20 s fail: only a bug is that slow.
  Client(int family, uint16_t port) : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval deadline = {.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = in6addr_loopback;
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool six = family == AF_INET6;
    const auto* const to =
        six ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
    EXPECT_EQ(connect(fd_, to, six ? sizeof v6 : sizeof v4), 0);
  }
  explicit Client(const HttpEndpoint& endpoint) : Client(AF_INET, endpoint.port()) {}
  ~Client() {
    if (fd_ >= 0) close(fd_);
  }
  Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Client& operator=(Client&&) = delete;

  // What cannot be sent, because the other side is gone, is left to Receive to find.
  void Send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // All up to `mark` and it, or to the end of the stream.
  [[nodiscard]] std::string Receive(std::string_view mark = "") const {
    std::string text;
    std::array<char, 65536> chunk;
    while (mark.empty() || !text.ends_with(mark)) {
      const ssize_t received = recv(fd_, chunk.data(), chunk.size(), 0);
      EXPECT_FALSE(received < 0 && errno == EAGAIN) << "no answer in time; so far: " << text;
      if (received <= 0) break;
      text.append(chunk.data(), static_cast<std::size_t>(received));
    }
    return text;
  }

 private:
  int fd_;
};

std::string Ask(const HttpEndpoint& endpoint, std::string_view request_line,
                std::string_view headers = "") {
  const Client client(endpoint);
  client.Send(std::string(request_line) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
              std::string(headers) + "\r\n");
  return client.Receive();
}

class HttpEndpointTest : public testing::Test {
 protected:
  std::unique_ptr<HttpEndpoint> Start(const HttpEndpoint::Options& options) {
    std::string why;
    std::unique_ptr<HttpEndpoint> endpoint = HttpEndpoint::Start(
        options,
        [this](std::string_view path, std::string_view accept) {
          ++calls_;
          if (path == "/large") return HttpResponse{200, "text/plain", std::string(8 << 20, 'x')};
          if (path != "/metrics") return HttpResponse{404, "text/plain", "no such page\n"};
          return HttpResponse{200, "text/x-test", "accept=" + std::string(accept) + "\n"};
        },
        why);
    EXPECT_NE(endpoint, nullptr) << why;
    return endpoint;
  }

  std::atomic<int> calls_ = 0;
};

TEST_F(HttpEndpointTest, GetGivesWhatTheHandlerGives) {
  const auto endpoint = Start({});
  EXPECT_EQ(endpoint->address(), "127.0.0.1:" + std::to_string(endpoint->port()));
  EXPECT_THAT(Ask(*endpoint, "GET /metrics?x=/y", "Accept: text/plain;q=0.5\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Type: text/x-test\r\n"),
                    EndsWith("\r\n\r\naccept=text/plain;q=0.5\n")));
  EXPECT_THAT(Ask(*endpoint, "GET /metrics"), EndsWith("\r\n\r\naccept=\n"));
  EXPECT_THAT(Ask(*endpoint, "GET /"),
              AllOf(StartsWith("HTTP/1.1 404 "), EndsWith("\r\n\r\nno such page\n")));
}

TEST_F(HttpEndpointTest, HeadGivesNoBody) {
  const auto endpoint = Start({});
  EXPECT_THAT(
      Ask(*endpoint, "HEAD /metrics"),
      AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 8\r\n"), EndsWith("\r\n\r\n")));
}

TEST_F(HttpEndpointTest, OtherMethodsAreRefusedWithoutTheHandler) {
  const auto endpoint = Start({});
  for (const std::string_view method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "X"}) {
    EXPECT_THAT(Ask(*endpoint, std::string(method) + " /metrics"),
                AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")));
  }
  EXPECT_THAT(Ask(*endpoint, "POST /metrics", "Content-Length: 1000000\r\n"),
              StartsWith("HTTP/1.1 405 "));
  EXPECT_EQ(calls_, 0);
}

TEST_F(HttpEndpointTest, AConnectionServesManyRequests) {
  const auto endpoint = Start({});
  const Client client(*endpoint);
  for (int i = 0; i < 100; ++i) {
    client.Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.Receive("accept=\n"), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_EQ(calls_, 100);
}

TEST_F(HttpEndpointTest, LargeBodiesArriveWhole) {
  const auto endpoint = Start({});
  const std::string answer = Ask(*endpoint, "GET /large");
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, std::size_t{8} << 20);
}

TEST_F(HttpEndpointTest, IdleConnectionsDoNotKeepAScrapeOut) {
  const auto endpoint = Start({.timeout_s = kNeverS});
  std::vector<Client> idle;
  for (int i = 0; i < 300; ++i) idle.emplace_back(*endpoint);
  EXPECT_THAT(Ask(*endpoint, "GET /metrics"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpEndpointTest, ConnectionsThatDribbleDoNotKeepAScrapeOut) {
  const auto endpoint = Start({.timeout_s = kNeverS});
  std::vector<Client> slow;
  for (int i = 0; i < 300; ++i) {
    slow.emplace_back(*endpoint);
    for (const Client& client : slow) client.Send("G");
  }
  EXPECT_THAT(Ask(*endpoint, "GET /metrics"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpEndpointTest, ReadersThatStallDoNotKeepAScrapeOut) {
  const auto endpoint = Start({.max_connections = 4, .timeout_s = kNeverS});
  std::vector<Client> stalled;
  for (int i = 0; i < 40; ++i) {
    stalled.emplace_back(*endpoint);
    stalled.back().Send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  EXPECT_THAT(Ask(*endpoint, "GET /metrics"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpEndpointTest, TheConnectionThatAskedLastIsClosedLast) {
  const auto endpoint = Start({.max_connections = 4, .timeout_s = kNeverS});
  const Client first(*endpoint);
  std::vector<Client> others;
  for (int i = 0; i < 20; ++i) {
    first.Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(first.Receive("accept=\n"), StartsWith("HTTP/1.1 200 "));
    others.emplace_back(*endpoint);
  }
  EXPECT_EQ(others.front().Receive(), "");
}

TEST_F(HttpEndpointTest, AnIdleConnectionIsClosedAfterItsTime) {
  const auto endpoint = Start({.timeout_s = 1});
  const Client idle(*endpoint);
  EXPECT_EQ(idle.Receive(), "");
}

TEST_F(HttpEndpointTest, WhatIsTooLongOrNotHttpIsCutOff) {
  const auto endpoint = Start({.timeout_s = kNeverS});
  const std::string longest(1 << 20, 'a');
  EXPECT_THAT(Ask(*endpoint, "GET /" + longest), Not(HasSubstr(" 200 ")));
  EXPECT_THAT(Ask(*endpoint, "GET /metrics", "Accept: " + longest + "\r\n"),
              Not(HasSubstr(" 200 ")));
  EXPECT_THAT(Ask(*endpoint, "GET /metrics", "Content-Length: 5\r\n\r\nabcde"),
              Not(HasSubstr(" 200 ")));
  EXPECT_THAT(Ask(*endpoint, "\x16\x03\x01\x02"), Not(HasSubstr(" 200 ")));
  EXPECT_EQ(calls_, 0);
  EXPECT_THAT(Ask(*endpoint, "GET /metrics"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpEndpointTest, ItStopsWhileClientsHang) {
  auto endpoint = Start({.timeout_s = kNeverS});
  const Client idle(*endpoint);
  const Client stalled(*endpoint);
  stalled.Send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(Ask(*endpoint, "GET /metrics"), StartsWith("HTTP/1.1 200 "));
  endpoint.reset();
  EXPECT_EQ(idle.Receive(), "");
}

TEST_F(HttpEndpointTest, ServesIpv6) {
  std::string why;
  const auto endpoint = HttpEndpoint::Start(
      {.host = "::1"},
      [](std::string_view, std::string_view) {
        return HttpResponse{200, "text/plain", "six\n"};
      },
      why);
  if (endpoint == nullptr) GTEST_SKIP() << "no IPv6: " << why;
  EXPECT_EQ(endpoint->address(), "[::1]:" + std::to_string(endpoint->port()));
  const Client client(AF_INET6, endpoint->port());
  client.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.Receive(), EndsWith("\r\n\r\nsix\n"));
}

TEST_F(HttpEndpointTest, SaysWhyItCannotStart) {
  const auto endpoint = Start({});
  std::string why;
  EXPECT_EQ(HttpEndpoint::Start({.port = endpoint->port()}, {}, why), nullptr);
  EXPECT_THAT(why, AllOf(HasSubstr("127.0.0.1 port "), HasSubstr("Address already in use")));
  EXPECT_EQ(HttpEndpoint::Start({.host = "no such host"}, {}, why), nullptr);
  EXPECT_THAT(why, HasSubstr("no such host"));
}

}  // namespace
}  // namespace objpool::metrics
