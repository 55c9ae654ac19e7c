// For tests of TLS: a certificate that signs for itself, and a client in memory.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "pool/base/check.h"
#include "tests/support/temp_folder.h"

namespace objpool::testing {

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

// With a key of Ed25519, so that a handshake has the same length each time. In files, too.
class OwnCertificate {
 public:
  explicit OwnCertificate(const std::string& name)
      : key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")) {
    OBJPOOL_CHECK(key_ != nullptr && certificate_ != nullptr, "OpenSSL makes a key");
    X509* const made = certificate_.get();
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    constexpr long kDayS = 24L * 3600;
    X509_gmtime_adj(X509_getm_notBefore(made), -kDayS);
    X509_gmtime_adj(X509_getm_notAfter(made), kDayS);
    X509_set_pubkey(made, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(made));
    const std::unique_ptr<X509_EXTENSION, Freed<&X509_EXTENSION_free>> names(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str()));
    OBJPOOL_CHECK(
        X509_add_ext(made, names.get(), -1) == 1 && X509_sign(made, key_.get(), nullptr) != 0,
        "OpenSSL makes a certificate");
    const File cert(std::fopen(cert_file().c_str(), "w"));
    const File key(std::fopen(key_file().c_str(), "w"));
    OBJPOOL_CHECK(
        PEM_write_X509(cert.get(), made) == 1 &&
            PEM_write_PrivateKey(key.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "there is room for both");
  }

  [[nodiscard]] std::string cert_file() const { return folder_ / "cert.pem"; }
  [[nodiscard]] std::string key_file() const { return folder_ / "key.pem"; }
  [[nodiscard]] X509* certificate() const { return certificate_.get(); }
  [[nodiscard]] EVP_PKEY* key() const { return key_.get(); }

 private:
  using File = std::unique_ptr<std::FILE, Freed<&std::fclose>>;

  const TempFolder folder_;
  std::unique_ptr<EVP_PKEY, Freed<&EVP_PKEY_free>> key_;
  std::unique_ptr<X509, Freed<&X509_free>> certificate_{X509_new()};
};

// OpenSSL's own. It believes every server.
class TlsClient {
 public:
  struct Options {
    std::string_view protocol = "h2";  // that it asks for; empty: none
    int version = TLS1_3_VERSION;      // the only one that it speaks
    const char* groups = nullptr;      // its own choice
    const OwnCertificate* shows = nullptr;
  };
  using Context = std::unique_ptr<SSL_CTX, Freed<&SSL_CTX_free>>;
  // For any number of clients.
  [[nodiscard]] static Context Make(const Options& options) {
    Context made(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(made.get(), options.version);
    SSL_CTX_set_max_proto_version(made.get(), options.version);
    if (options.groups != nullptr) SSL_CTX_set1_groups_list(made.get(), options.groups);
    if (options.shows != nullptr) {
      SSL_CTX_use_certificate(made.get(), options.shows->certificate());
      SSL_CTX_use_PrivateKey(made.get(), options.shows->key());
    }
    if (options.protocol.empty()) return made;
    const std::string list =
        static_cast<char>(options.protocol.size()) + std::string(options.protocol);
    SSL_CTX_set_alpn_protos(made.get(), reinterpret_cast<const unsigned char*>(list.data()),
                            static_cast<unsigned>(list.size()));
    return made;
  }

  explicit TlsClient(const Options& options) : TlsClient(*Make(options)) {}
  explicit TlsClient(SSL_CTX& context) : ssl_(SSL_new(&context)) {
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
  }

  // As far as what has come allows; whether it is done.
  bool ShakeHands() { return SSL_do_handshake(ssl_.get()) == 1; }
  // What it has to send.
  [[nodiscard]] std::string Take() {
    std::string taken(static_cast<std::size_t>(BIO_ctrl_pending(SSL_get_wbio(ssl_.get()))), '\0');
    if (!taken.empty()) {
      BIO_read(SSL_get_wbio(ssl_.get()), taken.data(), static_cast<int>(taken.size()));
    }
    return taken;
  }
  // What has come for it.
  void Give(std::string_view wire) {
    if (wire.empty()) return;
    BIO_write(SSL_get_rbio(ssl_.get()), wire.data(), static_cast<int>(wire.size()));
  }
  [[nodiscard]] bool Write(std::string_view plain) {
    std::size_t written = 0;
    return SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written) == 1 &&
           written == plain.size();
  }
  [[nodiscard]] std::string Read() {
    std::string plain;
    std::array<char, 4096> piece;
    std::size_t got = 0;
    while (SSL_read_ex(ssl_.get(), piece.data(), piece.size(), &got) == 1) {
      plain.append(piece.data(), got);
    }
    return plain;
  }
  void SayEnd() { (void)SSL_shutdown(ssl_.get()); }
  // The server has said so.
  [[nodiscard]] bool ended() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }

 private:
  std::unique_ptr<SSL, Freed<&SSL_free>> ssl_;
};

}  // namespace objpool::testing
