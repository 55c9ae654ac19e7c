// What one worker counts of encrypted connections, where its engine sees them. Written by the
// worker alone, read by the collector.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "pool/base/counter.h"

namespace objpool::rpc {

// Why a handshake came to nothing.
enum class TlsFailure : uint8_t {
  kPlaintext,       // the client does not speak TLS
  kMalformed,       // its first message is none of TLS, or longer than any
  kVersion,         // it speaks no version that is spoken here
  kCipher,          // nor a cipher
  kAlpn,            // it does not ask for HTTP/2
  kNoCertificate,   // it showed no certificate and has to
  kBadCertificate,  // it showed one that is not good
  kRefused,         // it did not like the server's
  kSlow,            // it took too long
  kGone,            // it went
  kOther,
};
inline constexpr std::size_t kTlsFailures = 11;

// Names as metrics print them, indexed by TlsFailure.
inline constexpr std::array<const char*, kTlsFailures> kTlsFailureNames = {
    "plaintext",       "malformed", "version", "cipher", "alpn", "no_certificate",
    "bad_certificate", "refused",   "slow",    "gone",   "other"};

struct TlsStats {
  base::Counter handshakes;  // that were completed
  std::array<base::Counter, kTlsFailures> failures;

  void Note(TlsFailure why) { failures[static_cast<std::size_t>(why)].Add(); }
};

}  // namespace objpool::rpc
