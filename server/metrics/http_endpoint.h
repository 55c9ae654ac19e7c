// HttpEndpoint: the small HTTP/1.1 server of metrics and status pages, on libmicrohttpd.
//
// One thread of its own serves all connections and runs the handler, one request at a time; no
// worker ever does. It answers GET and HEAD; what a path means is the handler's.
//
// What a client can take from others is bounded:
//   I1  At most max_connections are served. One more closes the connection that has been without a
//       request for longest, so that neither idle clients nor those that dribble a request can keep
//       a scrape out, however many they are.
//   I2  A connection without a byte for timeout_s is closed.
//   I3  A request's line and headers fit into connection_bytes; one with a body is cut off.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace objpool::metrics {

struct HttpResponse {
  int code = 200;
  std::string content_type;
  std::string body;
};

class HttpEndpoint {
 public:
  struct Options {
    std::string host = "127.0.0.1";  // an address or a name; IPv6 without brackets
    uint16_t port = 0;               // 0 takes a free one
    unsigned max_connections = 64;   // at least 1
    unsigned timeout_s = 5;
    std::size_t connection_bytes = 16384;
  };

  // `path` is without the query; `accept` is the header of that name, or empty. Both end with the
  // call.
  using Handler = std::function<HttpResponse(std::string_view path, std::string_view accept)>;

  // Null, with `why`, when the address cannot be had.
  [[nodiscard]] static std::unique_ptr<HttpEndpoint> Start(const Options& options, Handler handler,
                                                           std::string& why);
  // Waits for the handler to end, if it runs.
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  // As bound: "127.0.0.1:9742" or "[::1]:9742".
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  class Daemon;

  HttpEndpoint();

  std::unique_ptr<Daemon> daemon_;
  uint16_t port_ = 0;
  std::string address_;
};

}  // namespace objpool::metrics
