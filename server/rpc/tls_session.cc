#include "server/rpc/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "server/rpc/peer.h"
#include "server/rpc/tls_pair.h"

namespace objpool::rpc {
namespace {

constexpr std::size_t kRecordHead = 5;
constexpr std::size_t kMessageHead = 4;
constexpr uint8_t kChangeCipherSpec = 20;
constexpr uint8_t kHandshake = 22;
constexpr uint8_t kClientHello = 1;
// In the place of the random number: a ServerHello that asks for another ClientHello (RFC 8446,
// 4.1.3).
constexpr std::size_t kRandomAt = 6;
constexpr std::array<uint8_t, 8> kRetry = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11};

// Why a handshake failed, of what OpenSSL complained about first.
TlsFailure FailureOf(unsigned long error) {
  const int reason = ERR_GET_REASON(error);
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return TlsFailure::kPlaintext;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_UNKNOWN_PROTOCOL:
      return TlsFailure::kVersion;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
      return TlsFailure::kCipher;
    case SSL_R_CALLBACK_FAILED:  // tls_context.cc has one
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return TlsFailure::kAlpn;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return TlsFailure::kNoCertificate;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
      return TlsFailure::kBadCertificate;
    default:
      // What the client complained about.
      return reason >= SSL_AD_REASON_OFFSET ? TlsFailure::kRefused : TlsFailure::kOther;
  }
}

struct NamesDeleter {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

std::string_view TextOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

void AddAlternativeNames(X509& certificate, CertificateNames& to) {
  const std::unique_ptr<GENERAL_NAMES, NamesDeleter> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_URI) to.AddUri(TextOf(name->d.uniformResourceIdentifier));
    if (name->type == GEN_DNS) to.AddDns(TextOf(name->d.dNSName));
  }
}

void AddCommonNames(X509& certificate, CertificateNames& to) {
  X509_NAME* const subject = X509_get_subject_name(&certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return;
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return;
  to.AddCommonName({reinterpret_cast<const char*>(text), static_cast<std::size_t>(size)});
  OPENSSL_free(text);
}

}  // namespace

// A BIO that reads what the session was given, and writes where it was told to.
struct TlsSession::Stream {
  static int Read(BIO* bio, char* to, std::size_t room, std::size_t* taken) {
    auto& session = *static_cast<TlsSession*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    *taken = std::min(room, session.input_.size());
    if (*taken == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(to, session.input_.data(), *taken);
    session.input_.remove_prefix(*taken);
    return 1;
  }
  static int Write(BIO* bio, const char* from, std::size_t size, std::size_t* written) {
    static_cast<TlsSession*>(BIO_get_data(bio))->output_->Append(from, size);
    *written = size;
    return 1;
  }
  static long Control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static BIO_METHOD* Make() {
    BIO_METHOD* const method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "objpool connection");
    BIO_meth_set_read_ex(method, Read);
    BIO_meth_set_write_ex(method, Write);
    BIO_meth_set_ctrl(method, Control);
    return method;
  }
  // One for all, for as long as the process lives.
  static BIO_METHOD* Method() {
    static BIO_METHOD* const method = Make();
    return method;
  }
};

void TlsSession::WatchMessages(SSL_CTX* context) {
  SSL_CTX_set_msg_callback(context, &TlsSession::OnMessageOf);
}

void TlsSession::OnMessageOf(int sent, int /*version*/, int type, const void* bytes,
                             std::size_t size, SSL* /*ssl*/, void* self) {
  if (self == nullptr) return;
  static_cast<TlsSession*>(self)->OnMessage(sent != 0, type,
                                            {static_cast<const char*>(bytes), size});
}

void TlsSession::OnMessage(bool sent, int type, std::string_view message) {
  if (state_ == State::kOpen) {
    vain_ += type == SSL3_RT_HANDSHAKE && !sent ? 1 : 0;  // new keys
    const bool alert = type == SSL3_RT_ALERT && sent && message.size() > 1;
    negotiates_ = negotiates_ || (alert && message[1] == SSL_AD_NO_RENEGOTIATION);
    return;
  }
  if (type != SSL3_RT_HANDSHAKE || !sent || message.size() < kRandomAt + kRetry.size()) return;
  if (message[0] != SSL3_MT_SERVER_HELLO) return;
  again_ = std::memcmp(message.data() + kRandomAt, kRetry.data(), kRetry.size()) == 0;
}

// Fails where it cannot become a ClientHello of at most kMaxHelloBytes.
bool TlsSession::HelloIsWhole() {
  const uint8_t* const bytes = hello_.data();
  std::size_t message = 0;    // bytes of it so far
  std::size_t announced = 0;  // and what there must be
  for (std::size_t at = 0; at < hello_.size();) {
    // A client that was asked for its hello again may send this first, for the sake of proxies.
    const bool filler = again_ && message == 0 && bytes[at] == kChangeCipherSpec;
    if (bytes[at] != kHandshake && !filler) {
      Fail(at == 0 ? TlsFailure::kPlaintext : TlsFailure::kMalformed);
      return false;
    }
    if (hello_.size() - at < kRecordHead) return false;
    const std::size_t size = (std::size_t{bytes[at + 3]} << 8) | bytes[at + 4];
    const uint8_t* const body = bytes + at + kRecordHead;
    const bool first = message == 0 && !filler;
    // Nobody cuts the head of the message in two.
    if (size > kMaxHelloBytes || size == 0 || (first && size < kMessageHead)) {
      Fail(TlsFailure::kMalformed);
      return false;
    }
    if (first && hello_.size() - at >= kRecordHead + kMessageHead) {
      announced =
          kMessageHead + ((std::size_t{body[1]} << 16) | (std::size_t{body[2]} << 8) | body[3]);
      if (body[0] != kClientHello || announced > kMaxHelloBytes) {
        Fail(TlsFailure::kMalformed);
        return false;
      }
    }
    at += kRecordHead + size;
    if (at > hello_.size()) return false;
    if (!filler) message += size;
    if (announced != 0 && message >= announced) return true;
  }
  return false;
}

void TlsSession::CollectHello(std::string_view wire) {
  hello_.Append(wire.data(), wire.size());
  if (state_ == State::kHello && HelloIsWhole()) state_ = State::kWaiting;
  // A client has nothing to say before it is answered.
  if (state_ <= State::kWaiting && hello_.size() > kMaxHelloBytes) Fail(TlsFailure::kMalformed);
}

void TlsSession::Fail(TlsFailure why) {
  state_ = State::kFailed;
  failure_ = why;
}

void TlsSession::Start(const TlsPair& pair, ByteBuffer& answer) {
  ssl_.reset(SSL_new(pair.context()));
  BIO* const bio = ssl_ == nullptr ? nullptr : BIO_new(Stream::Method());
  if (bio == nullptr) return Fail(TlsFailure::kOther);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_msg_callback_arg(ssl_.get(), this);
  SSL_set_accept_state(ssl_.get());
  state_ = State::kHandshake;
  output_ = &answer;
  ShakeHands();
}

// With the hello that was collected, and else with what input_ has.
void TlsSession::ShakeHands() {
  if (!hello_.empty()) input_ = hello_.view();
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (!hello_.empty()) hello_.Clear();
  if (done == 1) {
    state_ = State::kOpen;
  } else if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) {
    Fail(FailureOf(ERR_peek_error()));
  } else if (again_ && state_ == State::kHandshake) {
    state_ = State::kHello;
  }
  ERR_clear_error();
}

std::size_t TlsSession::Receive(std::string_view wire, uint8_t* plain, std::size_t room,
                                ByteBuffer& answer) {
  output_ = &answer;
  if (state_ <= State::kWaiting) {
    CollectHello(wire);
    if (state_ != State::kWaiting || ssl_ == nullptr) return 0;
    state_ = State::kHandshake;  // it was the second one
    again_ = false;
    ShakeHands();
    return 0;
  }
  input_ = wire;
  if (state_ == State::kHandshake) ShakeHands();
  std::size_t count = 0;
  ERR_clear_error();
  while (state_ == State::kOpen) {
    std::size_t got = 0;
    if (SSL_read_ex(ssl_.get(), plain + count, room - count, &got) == 1) {
      count += got;
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), 0);
    if (error == SSL_ERROR_WANT_READ && !negotiates_) break;
    if (error == SSL_ERROR_ZERO_RETURN) {
      state_ = State::kEnded;
    } else {
      Fail(TlsFailure::kOther);
    }
  }
  ERR_clear_error();
  return count;
}

bool TlsSession::Seal(std::string_view plain, ByteBuffer& wire) {
  if (state_ != State::kOpen && state_ != State::kEnded) return false;
  output_ = &wire;
  std::size_t written = 0;
  ERR_clear_error();
  const bool done = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written) == 1;
  ERR_clear_error();
  return done && written == plain.size();
}

void TlsSession::SayEnd(ByteBuffer& wire) {
  if (state_ != State::kOpen && state_ != State::kEnded) return;
  output_ = &wire;
  (void)SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::string TlsSession::Peer() const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return {};
  CertificateNames names;
  AddAlternativeNames(*certificate, names);
  AddCommonNames(*certificate, names);
  return names.Peer();
}

}  // namespace objpool::rpc
