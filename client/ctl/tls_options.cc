#include "client/ctl/tls_options.h"

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <system_error>

#include "client/text.h"

namespace objpool::client {
namespace {

// All the authorities that Debian trusts take 0.2 MB.
constexpr std::size_t kMaxFileBytes = std::size_t{4} << 20;

// What is in the file; in `why` what is wrong with it.
std::string ReadPem(const char* option, const std::string& path, std::string& why) {
  if (path.empty()) return {};
  const auto complain = [&](const std::string& what) {
    why = std::string(option) + ": " + Printable(path) + ": " + what;
    return std::string();
  };
  std::ifstream file(path, std::ios::binary);
  if (!file) return complain(std::generic_category().message(errno));
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) return complain("cannot be read");
  if (text.size() > kMaxFileBytes) {
    return complain("must have at most " + std::to_string(kMaxFileBytes) + " bytes");
  }
  if (text.find("-----BEGIN ") == std::string::npos) return complain("must be PEM");
  return text;
}

}  // namespace

void TlsFlags::AddTo(CLI::App& app) {
  const char* const group = "Encryption";
  app.add_flag("--tls", on_, "Encrypt the connection, and check who the server is")
      ->envname("OBJPOOL_TLS")
      ->group(group);
  app.add_option("--tls-ca", roots_file_,
                 "Who signs for the server, as PEM [whom this system trusts]")
      ->envname("OBJPOOL_TLS_CA")
      ->type_name("FILE")
      ->group(group);
  CLI::Option* const certificate =
      app.add_option("--tls-cert", certificate_file_, "What to show the server of oneself, as PEM")
          ->envname("OBJPOOL_TLS_CERT")
          ->type_name("FILE")
          ->group(group);
  CLI::Option* const key = app.add_option("--tls-key", key_file_, "The key to that, as PEM")
                               ->envname("OBJPOOL_TLS_KEY")
                               ->type_name("FILE")
                               ->group(group);
  certificate->needs(key);
  key->needs(certificate);
  app.add_option("--tls-name", server_name_,
                 "Whom the server's certificate is for, if not the address")
      ->envname("OBJPOOL_TLS_NAME")
      ->type_name("NAME")
      ->group(group);
}

std::optional<TlsOptions> TlsFlags::Read(std::string& why) const {
  const bool any = !roots_file_.empty() || !certificate_file_.empty() || !server_name_.empty();
  if (!on_ && !any) return std::nullopt;
  TlsOptions tls;
  tls.server_name = server_name_;
  tls.root_certificates = ReadPem("--tls-ca", roots_file_, why);
  if (why.empty()) tls.certificate_chain = ReadPem("--tls-cert", certificate_file_, why);
  if (why.empty()) tls.private_key = ReadPem("--tls-key", key_file_, why);
  return tls;
}

}  // namespace objpool::client
