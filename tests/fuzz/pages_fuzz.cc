// The metrics endpoint, by bytes on its socket: what libmicrohttpd makes of them, and we of that.
// And its pages, by path and Accept header.
//
// An input that begins with a capital letter or a blank is sent as it is; any other is PATH, the
// end of a line, and ACCEPT.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "pool/base/check.h"
#include "server/metrics/http_endpoint.h"
#include "server/pages.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/lockstep.h"
#include "tests/fuzz/world.h"

namespace objpool::fuzz {
namespace {

constexpr std::size_t kMostAnswer = std::size_t{8} << 20;

// An engine of which only numbers are seen.
class StillEngine final : public rpc::Engine {
 public:
  explicit StillEngine(std::size_t methods) : stats_(methods) {}
  [[nodiscard]] std::string name() const override { return "still"; }
  [[nodiscard]] std::string version() const override { return "0"; }
  [[nodiscard]] std::string address() const override { return "127.0.0.1:1"; }
  [[nodiscard]] uint32_t workers() const override { return 1; }
  [[nodiscard]] const rpc::WorkerStats& stats(uint32_t /*worker*/) const override { return stats_; }
  [[nodiscard]] bool counts_connections() const override { return true; }
  [[nodiscard]] std::string pin_error(uint32_t /*worker*/) const override { return {}; }
  void Wake(uint32_t /*worker*/) override {}
  void Stop(std::chrono::milliseconds /*grace*/) override {}
  void Hurry() override {}

 private:
  rpc::WorkerStats stats_;
};

class Pages {
 public:
  Pages()
      : engine_(world_.methods().methods().size()),
        pins_({std::nullopt}, {.pin = [](uint32_t, std::string&) { return true; },
                               .allowed = [] { return std::vector<uint32_t>{}; }}) {
    std::string why;
    metrics::HttpEndpoint::Options options;
    options.connection_bytes = 4096;
    endpoint_ = metrics::HttpEndpoint::Start(
        options,
        [this](std::string_view path, std::string_view accept) { return At(path, accept); }, why);
    OBJPOOL_CHECK(endpoint_ != nullptr, why.c_str());
  }

  [[nodiscard]] metrics::HttpResponse At(std::string_view path, std::string_view accept) {
    return server::PageAt(
        path, accept,
        {.cells = {world_.pools(), world_.slots(), world_.methods(), engine_, world_.sessions(),
                   world_.disk(), pins_, page_watch_, world_.gate(), policy_, nullptr, nullptr},
         .serving = true,
         .up_since = 0});
  }
  // Sends it on a connection of its own; what comes back until the server waits for more.
  [[nodiscard]] std::string Send(std::string_view bytes) const {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(endpoint_->port());
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // Without a wait at the end, so that ports do not run out.
    const linger none{.l_onoff = 1, .l_linger = 0};
    const bool connected = fd >= 0 &&
                           setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)) == 0 &&
                           Connect(fd, at);
    if (!connected) std::perror("pages_fuzz: connecting to its server");
    OBJPOOL_CHECK(connected, "a server takes connections");
    LetServerGo();
    (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    std::string answer;
    do {
      LetServerGo();
    } while (Receive(fd, answer));
    close(fd);
    LetServerGo();
    return answer;
  }

 private:
  // Also when libFuzzer's clock interrupts it, which it does once in so many hours.
  static bool Connect(int fd, const sockaddr_in& at) {
    if (connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0) return true;
    if (errno != EINTR) return false;
    pollfd open{.fd = fd, .events = POLLOUT, .revents = 0};
    while (poll(&open, 1, -1) < 0 && errno == EINTR) continue;
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return false;
    errno = error;
    return error == 0;
  }
  // What has come; whether anything has.
  static bool Receive(int fd, std::string& answer) {
    const std::size_t before = answer.size();
    std::array<char, 65536> piece;
    for (ssize_t got = 0; (got = recv(fd, piece.data(), piece.size(), MSG_DONTWAIT)) > 0;) {
      answer.append(piece.data(), static_cast<std::size_t>(got));
      OBJPOOL_CHECK(answer.size() < kMostAnswer, "an answer has an end");
    }
    return answer.size() != before;
  }

  World world_;
  StillEngine engine_;
  server::PinWatch pins_;
  server::PageWatch page_watch_;
  server::PolicyFile policy_{{}, {}, {}};
  std::unique_ptr<metrics::HttpEndpoint> endpoint_;
};

}  // namespace
}  // namespace objpool::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t count) {
  using namespace objpool::fuzz;
  static auto* const pages = new Pages;
  Input input(bytes, count);
  const std::string_view text = input.Rest();
  if (text.starts_with(' ') || (!text.empty() && text[0] >= 'A' && text[0] <= 'Z')) {
    const std::string answer = pages->Send(text);
    OBJPOOL_CHECK(answer.empty() || answer.starts_with("HTTP/1."), "it is HTTP, or nothing");
    return 0;
  }
  const std::size_t end = std::min(text.find('\n'), text.size());
  const auto page = pages->At(text.substr(0, end), text.substr(std::min(end + 1, text.size())));
  OBJPOOL_CHECK(page.code == 200 || page.code == 404 || page.code == 503, "a known code");
  OBJPOOL_CHECK(!page.body.empty() && !page.content_type.empty(), "it has something to show");
  return 0;
}
