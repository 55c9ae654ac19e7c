// TlsPair: a certificate, its key, and who signs for clients, as files held them at one time. They
// were checked, and fit together. It does not change, and any thread may use it.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace objpool::rpc {

struct TlsFiles {
  std::string cert;
  std::string key;
  std::string client_ca;              // empty: clients are not asked for a certificate
  bool client_cert_required = false;  // only with a client_ca
};

class TlsPair {
 public:
  static constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;

  // Null when a file is not what it must be; `why` names key, path and reason. Shared, because
  // handshakes go on with the pair that they began with.
  [[nodiscard]] static std::shared_ptr<const TlsPair> Load(const TlsFiles& files, std::string& why);

  // For engine h2. Each of its connections refers to the context for as long as it lives.
  [[nodiscard]] SSL_CTX* context() const { return context_.get(); }
  // For engine grpc: the files' content.
  [[nodiscard]] const std::string& cert() const { return cert_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const std::string& client_ca() const { return client_ca_; }
  // When the first certificate of the chain expires, in seconds since 1970.
  [[nodiscard]] int64_t expires_at_s() const { return expires_at_s_; }

 private:
  struct ContextDeleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  TlsPair() = default;
  [[nodiscard]] bool UseCertificates(const TlsFiles& files, std::string& why);
  [[nodiscard]] bool UseKey(const TlsFiles& files, std::string& why);
  [[nodiscard]] bool UseClientCa(const TlsFiles& files, std::string& why);

  std::string cert_;
  std::string key_;
  std::string client_ca_;
  int64_t expires_at_s_ = 0;
  std::unique_ptr<SSL_CTX, ContextDeleter> context_;
};

}  // namespace objpool::rpc
