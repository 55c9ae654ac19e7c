// TlsDoor: where connections of one worker wait for their handshake to begin, and what all of them
// share for TLS.
//
// The costly part of a handshake, some 0.1 to 1 ms of CPU time, is the server's first answer. A
// turn spends about kTurnNs of that on those, first come first served, so that calls of the
// connections that there are wait no longer. At most kMaxInside handshakes have begun and not
// ended, because each holds some 50 KB: while others wait for them, those that take longer than
// kPatienceNs are cut off.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "server/rpc/boot_clock.h"
#include "server/rpc/byte_buffer.h"
#include "server/rpc/h2_limits.h"
#include "server/rpc/tls_keys.h"

namespace objpool::rpc {

class H2Connection;

class TlsDoor {
 public:
  static constexpr std::size_t kMaxInside = 512;
  static constexpr BootNs kTurnNs = h2_limits::kMs;
  static constexpr BootNs kPatienceNs = 500 * h2_limits::kMs;

  // Null: there is no TLS.
  explicit TlsDoor(const TlsKeys* keys) : keys_(keys) {
    if (keys != nullptr) {
      input_ = std::make_unique_for_overwrite<uint8_t[]>(h2_limits::kTlsReadBytes);
    }
  }

  [[nodiscard]] bool encrypts() const { return keys_ != nullptr; }
  [[nodiscard]] const TlsKeys& keys() const { return *keys_; }
  // What was read of a socket, h2_limits::kTlsReadBytes at most; and what is to be sent, empty
  // between two uses.
  [[nodiscard]] uint8_t* input() { return input_.get(); }
  [[nodiscard]] ByteBuffer& output() { return output_; }

  void Wait(H2Connection& connection) { waiting_.push_back(&connection); }
  void Forget(H2Connection& connection) { std::erase(waiting_, &connection); }
  // Whether one may begin; Enter takes it, and Leave is for when its handshake is over.
  [[nodiscard]] bool ready() const { return !waiting_.empty() && inside_ < kMaxInside; }
  [[nodiscard]] H2Connection& Enter() {
    H2Connection& next = *waiting_.front();
    waiting_.pop_front();
    ++inside_;
    return next;
  }
  void Leave() { --inside_; }
  // Whether those that wait will not all find room.
  [[nodiscard]] bool crowded() const { return inside_ + waiting_.size() > kMaxInside; }

 private:
  const TlsKeys* const keys_;
  std::unique_ptr<uint8_t[]> input_;
  ByteBuffer output_;
  std::deque<H2Connection*> waiting_;  // at most as many as there are connections
  std::size_t inside_ = 0;
};

}  // namespace objpool::rpc
