#include "server/metrics/http_endpoint.h"

#include <microhttpd.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "server/metrics/listen_socket.h"

namespace objpool::metrics {
namespace {

// How many connections may be accepted before those that they replace are gone: libmicrohttpd
// accepts up to ten in a row.
constexpr unsigned kClosingConnections = 32;

}  // namespace

// The connections and the callbacks. All of it runs on libmicrohttpd's thread, and on that of the
// destructor once that one has ended.
class HttpEndpoint::Daemon {
 public:
  Daemon(const Options& options, Handler handler)
      : max_connections_(std::max(options.max_connections, 1u)), handler_(std::move(handler)) {}
  ~Daemon() {
    if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  [[nodiscard]] bool Start(const Options& options, ListenSocket socket);

 private:
  static void OnConnection(void* self, MHD_Connection* connection, void** context,
                           MHD_ConnectionNotificationCode code);
  // Called for a request's headers, for each piece of its body, and for its end.
  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* path,
                              const char* method, const char* version, const char* upload,
                              std::size_t* upload_bytes, void** context);

  void CloseLongestUnused();
  MHD_Result Serve(MHD_Connection* connection, const char* path);

  const unsigned max_connections_;
  const Handler handler_;
  MHD_Daemon* daemon_ = nullptr;
  // When each was last used, counted in uses of any. Not in it: those that are being closed.
  std::unordered_map<MHD_Connection*, uint64_t> last_use_;
  uint64_t uses_ = 0;
};

namespace {

MHD_Result Reply(MHD_Connection* connection, HttpResponse answer) {
  auto body = std::make_unique<std::string>(std::move(answer.body));
  MHD_Response* const response = MHD_create_response_from_buffer_with_free_callback_cls(
      body->size(), body->data(), [](void* text) { delete static_cast<std::string*>(text); },
      body.get());
  if (response == nullptr) return MHD_NO;
  static_cast<void>(body.release());  // the response's now
  bool whole =
      MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                              answer.content_type.c_str()) == MHD_YES &&
      MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
      MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES;
  if (answer.code == MHD_HTTP_METHOD_NOT_ALLOWED) {
    whole =
        whole && MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES;
  }
  const MHD_Result result =
      whole ? MHD_queue_response(connection, static_cast<unsigned>(answer.code), response) : MHD_NO;
  MHD_destroy_response(response);
  return result;
}

}  // namespace

bool HttpEndpoint::Daemon::Start(const Options& options, ListenSocket socket) {
  const int fd = socket.Release();
  daemon_ = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, nullptr, nullptr, &Daemon::OnRequest,
                             this, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_CONNECTION,
                             &Daemon::OnConnection, this, MHD_OPTION_CONNECTION_LIMIT,
                             max_connections_ + kClosingConnections, MHD_OPTION_CONNECTION_TIMEOUT,
                             options.timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                             options.connection_bytes, MHD_OPTION_END);
  return daemon_ != nullptr;
}

void HttpEndpoint::Daemon::OnConnection(void* self, MHD_Connection* connection, void** /*context*/,
                                        MHD_ConnectionNotificationCode code) {
  auto& daemon = *static_cast<Daemon*>(self);
  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    daemon.last_use_.erase(connection);
    return;
  }
  if (daemon.last_use_.size() >= daemon.max_connections_) daemon.CloseLongestUnused();
  daemon.last_use_[connection] = ++daemon.uses_;
}

// Looks at all, which are few; it happens only when there are too many.
void HttpEndpoint::Daemon::CloseLongestUnused() {
  const auto longest = std::ranges::min_element(
      last_use_, {}, [](const auto& connection) { return connection.second; });
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(longest->first, MHD_CONNECTION_INFO_CONNECTION_FD);
  // The descriptor stays libmicrohttpd's, which sees the end of the stream and closes it.
  if (info != nullptr) shutdown(info->connect_fd, SHUT_RDWR);
  last_use_.erase(longest);
}

MHD_Result HttpEndpoint::Daemon::OnRequest(void* self, MHD_Connection* connection, const char* path,
                                           const char* method, const char* /*version*/,
                                           const char* /*upload*/, std::size_t* upload_bytes,
                                           void** context) {
  auto& daemon = *static_cast<Daemon*>(self);
  if (*context == nullptr) {  // its headers
    *context = self;
    const std::string_view name = method;
    if (name == MHD_HTTP_METHOD_GET || name == MHD_HTTP_METHOD_HEAD) return MHD_YES;
    return Reply(connection, {.code = MHD_HTTP_METHOD_NOT_ALLOWED,
                              .content_type = "text/plain; charset=utf-8",
                              .body = "GET and HEAD only\n"});
  }
  if (*upload_bytes != 0) return MHD_NO;
  return daemon.Serve(connection, path);
}

MHD_Result HttpEndpoint::Daemon::Serve(MHD_Connection* connection, const char* path) {
  const auto use = last_use_.find(connection);
  if (use != last_use_.end()) use->second = ++uses_;
  const char* const accept =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
  return Reply(connection, handler_(path, accept != nullptr ? accept : ""));
}

std::unique_ptr<HttpEndpoint> HttpEndpoint::Start(const Options& options, Handler handler,
                                                  std::string& why) {
  std::optional<ListenSocket> socket = ListenSocket::Open(options.host, options.port, why);
  if (!socket) return nullptr;
  std::unique_ptr<HttpEndpoint> endpoint(new HttpEndpoint);
  endpoint->port_ = socket->port();
  endpoint->address_ = socket->address();
  endpoint->daemon_ = std::make_unique<Daemon>(options, std::move(handler));
  if (endpoint->daemon_->Start(options, *std::move(socket))) return endpoint;
  why = "no thread or no memory for HTTP at " + endpoint->address_;
  return nullptr;
}

HttpEndpoint::HttpEndpoint() = default;
HttpEndpoint::~HttpEndpoint() = default;

}  // namespace objpool::metrics
