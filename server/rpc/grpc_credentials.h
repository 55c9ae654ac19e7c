// How engine grpc gets its certificates: for each connection it asks whether there are new ones.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "server/rpc/tls_keys.h"

namespace objpool::rpc {

// Without keys, not encrypted. The keys must outlive the server. Shared, because gRPC wants it so.
[[nodiscard]] std::shared_ptr<grpc::ServerCredentials> CredentialsOf(const TlsKeys* keys);

}  // namespace objpool::rpc
