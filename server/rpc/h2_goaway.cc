#include "server/rpc/h2_goaway.h"

#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace objpool::rpc {
namespace {

void Put32(uint32_t value, uint8_t* to) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

}  // namespace

H2GoAway::H2GoAway(uint32_t last_stream, uint32_t error, std::string_view text) {
  constexpr std::size_t kFrameHeadBytes = 9;
  text = text.substr(0, kMaxTextBytes);
  size_ = kHeadBytes + text.size();
  bytes_[2] = static_cast<uint8_t>(size_ - kFrameHeadBytes);
  bytes_[3] = NGHTTP2_GOAWAY;
  Put32(last_stream, &bytes_[kFrameHeadBytes]);
  Put32(error, &bytes_[kFrameHeadBytes + 4]);
  std::copy(text.begin(), text.end(), &bytes_[kHeadBytes]);
}

void RefuseConnection(int fd, std::string_view text) {
  // Clients want SETTINGS first, empty ones here. They have said something already, most of them:
  // what nobody reads would make the system take back what is said to them.
  constexpr std::array<uint8_t, 9> kSettings = {0, 0, 0, NGHTTP2_SETTINGS};
  std::array<uint8_t, 1024> said;
  const H2GoAway goaway(0, NGHTTP2_ENHANCE_YOUR_CALM, text);
  (void)send(fd, kSettings.data(), kSettings.size(), MSG_NOSIGNAL | MSG_MORE);
  (void)send(fd, goaway.data(), goaway.size(), MSG_NOSIGNAL);
  (void)shutdown(fd, SHUT_WR);
  (void)recv(fd, said.data(), said.size(), MSG_DONTWAIT);
  close(fd);
}

}  // namespace objpool::rpc
