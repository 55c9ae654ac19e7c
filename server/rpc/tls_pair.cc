#include "server/rpc/tls_pair.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <functional>
#include <limits>
#include <system_error>

#include "server/rpc/tls_context.h"

namespace objpool::rpc {
namespace {

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;
struct X509Deleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, X509Deleter>;
struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

std::string Fault(const char* key, const std::string& path, const std::string& what) {
  return std::string("tls.") + key + ": " + path + ": " + what;
}

// Of what OpenSSL complained about last.
std::string Reason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason != nullptr ? reason : "OpenSSL does not take it";
}

bool Read(const char* key, const std::string& path, std::string& text, std::string& why) {
  std::ifstream file(path, std::ios::binary);
  text.assign(TlsPair::kMaxFileBytes + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    why = Fault(key, path, "cannot be read: " + std::generic_category().message(errno));
    return false;
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() <= TlsPair::kMaxFileBytes) return true;
  why = Fault(key, path, "must have at most " + std::to_string(TlsPair::kMaxFileBytes) + " bytes");
  return false;
}

Bio BioOf(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// An encrypted key is refused, and nobody is asked at a terminal.
int NoPassword(char* /*to*/, int /*size*/, int /*writing*/, void* /*unused*/) { return -1; }

// Calls `use` for every certificate in the text. False, with `what`, where there is none, or one is
// not good.
bool ForEach(const std::string& text, const std::function<bool(X509&, bool first)>& use,
             std::string& what) {
  const Bio bio = BioOf(text);
  for (bool first = true;; first = false) {
    ERR_clear_error();
    const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
    if (certificate == nullptr) {
      const bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      if (end && !first) break;
      what = "has no certificate in PEM: " + Reason();
      if (!first) what = "has something else behind its certificates: " + Reason();
      return false;
    }
    if (!use(*certificate, first)) {
      if (what.empty()) what = Reason();
      return false;
    }
  }
  ERR_clear_error();
  return true;
}

int64_t ExpiryOf(const X509& certificate) {
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &time) != 1) return 0;
  return timegm(&time);
}

std::string DateOf(int64_t at_s) {
  const std::time_t at = at_s;
  std::tm time{};
  std::string text(64, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%F %T UTC", gmtime_r(&at, &time)));
  return text;
}

}  // namespace

bool TlsPair::UseCertificates(const TlsFiles& files, std::string& why) {
  expires_at_s_ = std::numeric_limits<int64_t>::max();
  std::string what;
  const auto use = [&](X509& certificate, bool first) {
    expires_at_s_ = std::min(expires_at_s_, ExpiryOf(certificate));
    if (expires_at_s_ <= std::time(nullptr)) {
      what = "has expired, on " + DateOf(expires_at_s_);
      return false;
    }
    return first ? SSL_CTX_use_certificate(context_.get(), &certificate) == 1
                 : SSL_CTX_add1_chain_cert(context_.get(), &certificate) == 1;
  };
  if (ForEach(cert_, use, what)) return true;
  why = Fault("cert_file", files.cert, what);
  return false;
}

bool TlsPair::UseKey(const TlsFiles& files, std::string& why) {
  ERR_clear_error();
  const std::unique_ptr<EVP_PKEY, KeyDeleter> key(
      PEM_read_bio_PrivateKey(BioOf(key_).get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) {
    why = Fault("key_file", files.key, "has no key in PEM that is not encrypted: " + Reason());
    return false;
  }
  if (SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1 &&
      SSL_CTX_check_private_key(context_.get()) == 1) {
    return true;
  }
  why = Fault("key_file", files.key,
              "is not the key of the certificate in " + files.cert + ": " + Reason());
  return false;
}

bool TlsPair::UseClientCa(const TlsFiles& files, std::string& why) {
  if (files.client_ca.empty()) return true;
  if (!Read("client_ca_file", files.client_ca, client_ca_, why)) return false;
  std::string what;
  X509_STORE* const store = SSL_CTX_get_cert_store(context_.get());
  const auto use = [&](X509& certificate, bool /*first*/) {
    return X509_STORE_add_cert(store, &certificate) == 1 &&
           SSL_CTX_add_client_CA(context_.get(), &certificate) == 1;
  };
  if (!ForEach(client_ca_, use, what)) {
    why = Fault("client_ca_file", files.client_ca, what);
    return false;
  }
  const int must = files.client_cert_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | must, nullptr);
  return true;
}

std::shared_ptr<const TlsPair> TlsPair::Load(const TlsFiles& files, std::string& why) {
  std::shared_ptr<TlsPair> pair(new TlsPair);
  if (!Read("cert_file", files.cert, pair->cert_, why) ||
      !Read("key_file", files.key, pair->key_, why)) {
    return nullptr;
  }
  pair->context_.reset(NewTlsContext());
  if (pair->context_ == nullptr) {
    why = "tls: " + Reason();
    return nullptr;
  }
  const bool good = pair->UseCertificates(files, why) && pair->UseKey(files, why) &&
                    pair->UseClientCa(files, why);
  ERR_clear_error();
  return good ? pair : nullptr;
}

}  // namespace objpool::rpc
