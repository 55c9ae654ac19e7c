#include "server/rpc/grpc_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace objpool::rpc {
namespace {

// gRPC's C++ has no credentials whose certificates are replaced from memory; its C has.
class ReplaceableCredentials final : public grpc::ServerCredentials {
 public:
  explicit ReplaceableCredentials(const TlsKeys& keys) : keys_(keys) {
    const TlsFiles& files = keys.files();
    const auto ask = files.client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                     : files.client_cert_required
                         ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                         : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(ask, &Fetch, this));
  }
  ~ReplaceableCredentials() override { grpc_server_credentials_release(credentials_); }
  ReplaceableCredentials(const ReplaceableCredentials&) = delete;
  ReplaceableCredentials& operator=(const ReplaceableCredentials&) = delete;

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // gRPC calls it at the start and for each connection, one call at a time.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    auto& credentials = *static_cast<ReplaceableCredentials*>(self);
    // Looked at before the pair is: then one that comes in between is fetched the next time.
    const uint64_t version = credentials.keys_.version();
    if (credentials.fetched_.exchange(version, std::memory_order_relaxed) == version) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    const std::shared_ptr<const TlsPair> pair = credentials.keys_.Current();
    const grpc_ssl_pem_key_cert_pair texts = {pair->key().c_str(), pair->cert().c_str()};
    // gRPC wants an authority also where it asks for no certificate; then any will do.
    const std::string& roots = pair->client_ca().empty() ? pair->cert() : pair->client_ca();
    *config = grpc_ssl_server_certificate_config_create(roots.c_str(), &texts, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const TlsKeys& keys_;
  std::atomic<uint64_t> fetched_{0};  // the version
  grpc_server_credentials* credentials_ = nullptr;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> CredentialsOf(const TlsKeys* keys) {
  if (keys == nullptr) return grpc::InsecureServerCredentials();
  return std::make_shared<ReplaceableCredentials>(*keys);
}

}  // namespace objpool::rpc
