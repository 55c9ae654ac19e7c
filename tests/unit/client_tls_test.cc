// Goal: an encrypted connection is one to whom was meant, both ways, or none.
// Method: gRPC's own TLS server with the API of FakeService; certificates made by openssl, of two
// authorities that know nothing of each other.
#include <grpcpp/security/server_credentials.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>

#include "client/client.h"
#include "tests/support/fake_service.h"
#include "tests/support/temp_folder.h"

namespace objpool::client {
namespace {

using ::objpool::testing::FakeService;
using ::objpool::testing::ReadAll;
using ::objpool::testing::TempFolder;

// An authority and what it signs, as files NAME.pem and NAME.key.
class Authority {
 public:
  Authority() { Run("req -x509 -subj /CN=authority -keyout ca.key -out ca.pem"); }

  void Sign(const std::string& name) {
    Run("req -x509 -subj /CN=" + name + " -addext subjectAltName=DNS:" + name +
        " -CA ca.pem -CAkey ca.key -keyout " + name + ".key -out " + name + ".pem");
  }
  [[nodiscard]] std::string Read(const std::string& file) const { return ReadAll(folder_ / file); }

 private:
  void Run(const std::string& command) {
    const std::string whole = "cd " + folder_.path() + " && openssl " + command +
                              " -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 2> log";
    ASSERT_EQ(std::system(whole.c_str()), 0) << ReadAll(folder_ / "log");
  }
  TempFolder folder_;
};

class ClientTls : public ::testing::Test {
 protected:
  ClientTls() {
    ours_.Sign("server.test");
    ours_.Sign("client.test");
    theirs_.Sign("client.test");
  }

  // `asks`: only whom our authority has signed is let in.
  [[nodiscard]] std::unique_ptr<FakeService> Serve(bool asks) const {
    grpc::SslServerCredentialsOptions options(
        asks ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
             : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    options.pem_root_certs = asks ? ours_.Read("ca.pem") : "";
    options.pem_key_cert_pairs.push_back(
        {ours_.Read("server.test.key"), ours_.Read("server.test.pem")});
    return std::make_unique<FakeService>(8, "127.0.0.1:0", grpc::SslServerCredentials(options));
  }
  [[nodiscard]] TlsOptions Trusting(const Authority& authority) const {
    return {.root_certificates = authority.Read("ca.pem"),
            .certificate_chain = {},
            .private_key = {},
            .server_name = "server.test"};
  }
  [[nodiscard]] static Error LeaseFrom(const FakeService& service,
                                       const std::optional<TlsOptions>& tls) {
    const Client client({.address = service.address(),
                         .timeout = Milliseconds(5000),
                         .own_connection = true,
                         .tls = tls});
    v1::LeaseRequest request;
    request.set_pool("ids");
    return client.Lease(request).error;
  }

  Authority ours_;
  Authority theirs_;
};

TEST_F(ClientTls, LeasesFromWhomItTrusts) {
  const auto service = Serve(false);
  const Error error = LeaseFrom(*service, Trusting(ours_));
  EXPECT_TRUE(error.ok()) << error.message;
  EXPECT_EQ(service->leased(), 1u);
}

TEST_F(ClientTls, AsksNobodyWhomItDoesNotTrust) {
  const auto service = Serve(false);
  EXPECT_FALSE(LeaseFrom(*service, Trusting(theirs_)).ok());
  TlsOptions other_name = Trusting(ours_);
  other_name.server_name = "other.test";
  EXPECT_FALSE(LeaseFrom(*service, other_name).ok());
  // Nobody on this system has signed for it.
  EXPECT_FALSE(LeaseFrom(*service, TlsOptions{.root_certificates = {},
                                              .certificate_chain = {},
                                              .private_key = {},
                                              .server_name = "server.test"})
                   .ok());
  EXPECT_EQ(service->lease_calls(), 0u);
}

TEST_F(ClientTls, PlainAndEncryptedDoNotMix) {
  const auto service = Serve(false);
  EXPECT_FALSE(LeaseFrom(*service, std::nullopt).ok());
  const FakeService plain;
  EXPECT_FALSE(LeaseFrom(plain, Trusting(ours_)).ok());
  EXPECT_EQ(service->lease_calls() + plain.lease_calls(), 0u);
}

TEST_F(ClientTls, ShowsWhoItIs) {
  const auto service = Serve(true);
  TlsOptions tls = Trusting(ours_);
  EXPECT_FALSE(LeaseFrom(*service, tls).ok());
  tls.certificate_chain = theirs_.Read("client.test.pem");
  tls.private_key = theirs_.Read("client.test.key");
  EXPECT_FALSE(LeaseFrom(*service, tls).ok());
  EXPECT_EQ(service->lease_calls(), 0u);
  tls.certificate_chain = ours_.Read("client.test.pem");
  tls.private_key = ours_.Read("client.test.key");
  const Error error = LeaseFrom(*service, tls);
  EXPECT_TRUE(error.ok()) << error.message;
}

TEST(ClientChannel, IsAdjustedLast) {
  const FakeService service;
  const Client client({.address = service.address(),
                       .own_connection = true,
                       .adjust_channel = [](grpc::ChannelArguments& arguments) {
                         arguments.SetMaxReceiveMessageSize(1);
                       }});
  v1::LeaseRequest request;
  request.set_pool("ids");
  EXPECT_EQ(client.Lease(request).error.code, grpc::StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace objpool::client
