// What all TLS of engine h2 has in common, whatever the certificate.
#pragma once

#include <openssl/ssl.h>

namespace objpool::rpc {

// TLS 1.2 or 1.3 with ciphers that HTTP/2 allows, for clients that ask for "h2". Nothing is
// negotiated again or resumed: connections of gRPC are long, and what was verified once must not
// outlive the authority that it was verified by. Null when there is no memory.
[[nodiscard]] SSL_CTX* NewTlsContext();

}  // namespace objpool::rpc
