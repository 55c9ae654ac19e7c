// TlsSession: TLS of one connection of engine h2, as a filter between bytes of the wire and bytes
// of HTTP/2. It touches no socket: what came goes in, what must be sent comes out.
//
// The client's first message is collected here, and OpenSSL sees it once it is whole and Start is
// called: before that a connection costs what its client has sent, and who calls Start decides how
// much of its time goes into handshakes. OpenSSL would also make room for as much as the client
// only announces.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/rpc/byte_buffer.h"
#include "server/rpc/tls_stats.h"

namespace objpool::rpc {

class TlsPair;

class TlsSession {
 public:
  enum class State : uint8_t {
    kHello,      // the first message comes
    kWaiting,    // it is whole: Start
    kHandshake,  // the rest of them comes
    kOpen,       // what comes is HTTP/2
    kEnded,      // the client has said that nothing more comes
    kFailed,     // see failure()
  };
  // Of the first message, with the heads of its records. Clients send 0.2 to 2 KB.
  static constexpr std::size_t kMaxHelloBytes = std::size_t{16} * 1024;
  // What Receive may give that OpenSSL held back before: a record that was not whole.
  static constexpr std::size_t kMaxHeldBack = kMaxHelloBytes + 512;

  TlsSession() = default;
  ~TlsSession() = default;
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Both take what came of the wire, and append to `answer` what must be sent, also where they end
  // in kFailed. Start is for kWaiting, once. Receive returns how many bytes of HTTP/2 it wrote to
  // `plain`, which has room for kMaxHeldBack more than came.
  void Start(const TlsPair& pair, ByteBuffer& answer);
  [[nodiscard]] std::size_t Receive(std::string_view wire, uint8_t* plain, std::size_t room,
                                    ByteBuffer& answer);
  // Appends `plain` to `wire` as it is sent; False when it cannot be. Only while kOpen.
  [[nodiscard]] bool Seal(std::string_view plain, ByteBuffer& wire);
  // Appends that nothing more comes.
  void SayEnd(ByteBuffer& wire);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool shaking_hands() const { return state_ <= State::kHandshake; }
  [[nodiscard]] TlsFailure failure() const { return failure_; }
  // Whom the certificate that the client has shown names; empty when it has shown none. Once open.
  [[nodiscard]] std::string Peer() const;
  // Messages since the last call that cost the server something and bring the client nothing.
  [[nodiscard]] std::size_t TakeVain() { return std::exchange(vain_, 0); }

  // Has sessions of this context see what TLS says besides data.
  static void WatchMessages(SSL_CTX* context);

 private:
  struct Stream;  // OpenSSL's way to input_ and output_
  struct Deleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  void CollectHello(std::string_view wire);
  [[nodiscard]] bool HelloIsWhole();
  void ShakeHands();
  void Fail(TlsFailure why);
  void OnMessage(bool sent, int type, std::string_view message);
  static void OnMessageOf(int sent, int version, int type, const void* bytes, std::size_t size,
                          SSL* ssl, void* self);

  State state_ = State::kHello;
  TlsFailure failure_ = TlsFailure::kOther;
  bool again_ = false;       // the client has to send its first message once more
  bool negotiates_ = false;  // it was told that nothing is negotiated again
  std::size_t vain_ = 0;
  ByteBuffer hello_;
  std::unique_ptr<SSL, Deleter> ssl_;
  // During a call only.
  std::string_view input_;
  ByteBuffer* output_ = nullptr;
};

}  // namespace objpool::rpc
