#include "server/rpc/tls_context.h"

#include <array>
#include <cstddef>

#include "server/rpc/tls_session.h"

namespace objpool::rpc {
namespace {

constexpr std::array<uint8_t, 3> kH2 = {2, 'h', '2'};
// Of the certificates that a client shows, all together.
constexpr long kMaxChainBytes = 32L * 1024;
constexpr int kMaxChain = 8;
// With HTTP/2, TLS 1.2 has to have forward secrecy and authenticated encryption.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
// What clients have; others cost a server many times as much.
constexpr const char* kGroups = "X25519:P-256:P-384";

// A client that does not say what it wants to speak is refused here: OpenSSL would let it in.
int CheckHello(SSL* ssl, int* alert, void* /*unused*/) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  constexpr unsigned kAlpn = TLSEXT_TYPE_application_layer_protocol_negotiation;
  if (SSL_client_hello_get0_ext(ssl, kAlpn, &data, &size) == 1) return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

int SelectProtocol(SSL* /*ssl*/, const unsigned char** chosen, unsigned char* size,
                   const unsigned char* offered, unsigned offered_size, void* /*unused*/) {
  const int found = SSL_select_next_proto(const_cast<unsigned char**>(chosen), size, kH2.data(),
                                          kH2.size(), offered, offered_size);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

SSL_CTX* NewTlsContext() {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return nullptr;
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // An idle connection has no buffers.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(context, kMaxChainBytes);
  SSL_CTX_set_verify_depth(context, kMaxChain);
  SSL_CTX_set_client_hello_cb(context, CheckHello, nullptr);
  SSL_CTX_set_alpn_select_cb(context, SelectProtocol, nullptr);
  TlsSession::WatchMessages(context);
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
      SSL_CTX_set_cipher_list(context, kTls12Ciphers) == 1 &&
      SSL_CTX_set1_groups_list(context, kGroups) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1) {
    return context;
  }
  SSL_CTX_free(context);
  return nullptr;
}

}  // namespace objpool::rpc
