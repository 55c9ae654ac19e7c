// Goal: TLS of a connection goes from the first message to the last however its bytes are cut, and
// what is none of it is refused before it costs anything.
// Method: a client of OpenSSL's in memory; no socket.
#include "server/rpc/tls_session.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/rpc/byte_buffer.h"
#include "server/rpc/tls_pair.h"
#include "tests/support/tls_client.h"

namespace objpool::rpc {
namespace {

using testing::OwnCertificate;
using testing::TlsClient;
using State = TlsSession::State;

const OwnCertificate& Server() {
  static const OwnCertificate one("server.test");
  return one;
}

const OwnCertificate& Client() {
  static const OwnCertificate one("client.test");
  return one;
}

std::shared_ptr<const TlsPair> Load(bool asks_for_certificates) {
  TlsFiles files{.cert = Server().cert_file(), .key = Server().key_file(), .client_ca = {}};
  if (asks_for_certificates) {
    files.client_ca = Client().cert_file();
    files.client_cert_required = true;
  }
  std::string why;
  auto pair = TlsPair::Load(files, why);
  EXPECT_NE(pair, nullptr) << why;
  return pair;
}

// A session, and what it was told and says.
class Connection {
 public:
  explicit Connection(bool asks_for_certificates = false) : pair_(Load(asks_for_certificates)) {}

  // Gives it the bytes in pieces of so many.
  void Receive(std::string_view wire, std::size_t piece = SIZE_MAX) {
    while (!wire.empty() && session_.state() < State::kEnded) {
      const std::string_view part = wire.substr(0, piece);
      wire.remove_prefix(part.size());
      std::vector<uint8_t> plain(part.size() + TlsSession::kMaxHeldBack);
      const std::size_t got = session_.Receive(part, plain.data(), plain.size(), answer_);
      ASSERT_LE(got, plain.size());
      plain_.append(reinterpret_cast<const char*>(plain.data()), got);
      if (session_.state() == State::kWaiting) session_.Start(*pair_, answer_);
    }
  }
  // Until both are done, or neither has anything to say.
  void ShakeHands(TlsClient& client, std::size_t piece = SIZE_MAX) {
    for (;;) {
      client.ShakeHands();
      const std::string wire = client.Take();
      Receive(wire, piece);
      const std::string answer = TakeAnswer();
      client.Give(answer);
      if (wire.empty() && answer.empty()) return;
    }
  }
  void Say(std::string_view plain) { EXPECT_TRUE(session_.Seal(plain, answer_)); }
  [[nodiscard]] std::string TakeAnswer() {
    std::string taken(answer_.view());
    answer_.Clear();
    return taken;
  }
  [[nodiscard]] const std::string& plain() const { return plain_; }
  [[nodiscard]] TlsSession& session() { return session_; }

 private:
  const std::shared_ptr<const TlsPair> pair_;
  TlsSession session_;
  ByteBuffer answer_;
  std::string plain_;
};

TEST(TlsSession, OpensHoweverTheHandshakeIsCut) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const std::size_t piece : {1u, 2u, 7u, 100u, 5000u}) {
      TlsClient client({.version = version});
      Connection server;
      server.ShakeHands(client, piece);
      EXPECT_EQ(server.session().state(), State::kOpen) << piece;
      EXPECT_TRUE(client.ShakeHands());
      EXPECT_EQ(server.session().Peer(), "");
      EXPECT_EQ(server.plain(), "");
    }
  }
}

TEST(TlsSession, AsksForAnotherHelloWhereItCannotDoTheGroup) {
  for (const std::size_t piece : {1u, 100u, 5000u}) {
    TlsClient client({.groups = "X448:P-256"});
    Connection server;
    server.ShakeHands(client, piece);
    EXPECT_EQ(server.session().state(), State::kOpen) << piece;
  }
}

TEST(TlsSession, BytesGoBothWays) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client({.version = version});
    Connection server;
    server.ShakeHands(client);
    const std::string much(50'000, 'm');
    ASSERT_TRUE(client.Write("hello"));
    ASSERT_TRUE(client.Write(much));
    server.Receive(client.Take(), 1000);
    EXPECT_EQ(server.plain(), "hello" + much);
    server.Say("answer");
    server.Say(much);
    client.Give(server.TakeAnswer());
    EXPECT_EQ(client.Read(), "answer" + much);
  }
}

TEST(TlsSession, FirstBytesMayComeWithTheEndOfTheHandshake) {
  TlsClient client({});
  Connection server;
  client.ShakeHands();
  server.Receive(client.Take());
  client.Give(server.TakeAnswer());
  ASSERT_TRUE(client.ShakeHands());
  ASSERT_TRUE(client.Write("early"));
  server.Receive(client.Take());
  EXPECT_EQ(server.session().state(), State::kOpen);
  EXPECT_EQ(server.plain(), "early");
}

TEST(TlsSession, EachSideSaysThatNothingMoreComes) {
  TlsClient client({});
  Connection server;
  server.ShakeHands(client);
  ASSERT_TRUE(client.Write("last"));
  client.SayEnd();
  server.Receive(client.Take());
  EXPECT_EQ(server.plain(), "last");
  EXPECT_EQ(server.session().state(), State::kEnded);
  server.Say("mine");
  ByteBuffer end;
  server.session().SayEnd(end);
  client.Give(server.TakeAnswer() + std::string(end.view()));
  EXPECT_EQ(client.Read(), "mine");
  EXPECT_TRUE(client.ended());
}

TEST(TlsSession, KnowsWhoTheCertificateNames) {
  TlsClient client({.shows = &Client()});
  Connection server(true);
  server.ShakeHands(client, 50);
  EXPECT_EQ(server.session().state(), State::kOpen);
  EXPECT_EQ(server.session().Peer(), "dns:client.test");
}

TlsFailure FailureOf(const TlsClient::Options& options, bool asks_for_certificates = false) {
  TlsClient client(options);
  Connection server(asks_for_certificates);
  server.ShakeHands(client);
  EXPECT_EQ(server.session().state(), State::kFailed);
  return server.session().failure();
}

TEST(TlsSession, SaysWhyAHandshakeFails) {
  EXPECT_EQ(FailureOf({.protocol = ""}), TlsFailure::kAlpn);
  EXPECT_EQ(FailureOf({.protocol = "http/1.1"}), TlsFailure::kAlpn);
  EXPECT_EQ(FailureOf({}, true), TlsFailure::kNoCertificate);
  EXPECT_EQ(FailureOf({.shows = &Server()}, true), TlsFailure::kBadCertificate);
  EXPECT_EQ(FailureOf({.groups = "P-521"}), TlsFailure::kCipher);
}

// What comes as the first bytes of a connection, in one piece.
TlsFailure FailureOfFirst(const std::string& wire) {
  Connection server;
  server.Receive(wire);
  EXPECT_EQ(server.session().state(), State::kFailed);
  EXPECT_EQ(server.TakeAnswer(), "");
  return server.session().failure();
}

std::string Record(char type, std::size_t bytes, const std::string& body) {
  return std::string({type, 3, 1, static_cast<char>(bytes >> 8), static_cast<char>(bytes)}) + body;
}

TEST(TlsSession, PlainTextIsRefusedAtItsFirstByte) {
  EXPECT_EQ(FailureOfFirst("P"), TlsFailure::kPlaintext);
  EXPECT_EQ(FailureOfFirst("GET / HTTP/1.1\r\n\r\n"), TlsFailure::kPlaintext);
  EXPECT_EQ(FailureOfFirst(Record(20, 1, "\x01")), TlsFailure::kPlaintext);
}

TEST(TlsSession, FirstMessageThatIsNoneOrTooLongIsRefusedWithItsHead) {
  using namespace std::string_literals;
  constexpr std::size_t kMost = TlsSession::kMaxHelloBytes;
  EXPECT_EQ(FailureOfFirst(Record(22, kMost + 1, "")), TlsFailure::kMalformed);
  EXPECT_EQ(FailureOfFirst(Record(22, 0, "")), TlsFailure::kMalformed);
  EXPECT_EQ(FailureOfFirst(Record(22, 3, "")), TlsFailure::kMalformed);
  EXPECT_EQ(FailureOfFirst(Record(22, 100, "\x02\0\0\x10"s)), TlsFailure::kMalformed);
  EXPECT_EQ(FailureOfFirst(Record(22, 100, "\x01\0\x40\0"s)), TlsFailure::kMalformed);
  EXPECT_EQ(FailureOfFirst(Record(22, 100, "\x01\xff\xff\xff")), TlsFailure::kMalformed);
  EXPECT_EQ(FailureOfFirst(Record(22, 4, "\x01\0\x10\0"s) + "x"), TlsFailure::kMalformed);
}

// Records of a byte each would take six times as much as they announce.
TEST(TlsSession, FirstMessageInManyRecordsIsBoundedByWhatCame) {
  using namespace std::string_literals;
  Connection server;
  server.Receive(Record(22, 4, "\x01\0\x3f\0"s));
  std::size_t sent = 9;
  while (server.session().state() == State::kHello && sent < 2 * TlsSession::kMaxHelloBytes) {
    server.Receive(Record(22, 1, "x"));
    sent += 6;
  }
  EXPECT_EQ(server.session().state(), State::kFailed);
  EXPECT_EQ(server.session().failure(), TlsFailure::kMalformed);
  EXPECT_LE(sent, TlsSession::kMaxHelloBytes + 6);
}

TEST(TlsSession, NobodySpeaksBeforeTheFirstMessageIsAnswered) {
  TlsClient client({});
  client.ShakeHands();
  const std::string hello = client.Take();
  TlsSession session;
  ByteBuffer answer;
  std::vector<uint8_t> plain(2 * TlsSession::kMaxHeldBack);
  EXPECT_EQ(session.Receive(hello, plain.data(), plain.size(), answer), 0u);
  EXPECT_EQ(session.state(), State::kWaiting);
  const std::string more(TlsSession::kMaxHelloBytes, 'x');
  EXPECT_EQ(session.Receive(more, plain.data(), plain.size(), answer), 0u);
  EXPECT_EQ(session.state(), State::kFailed);
  EXPECT_EQ(session.failure(), TlsFailure::kMalformed);
}

TEST(TlsSession, WhatIsDamagedAfterwardsEndsIt) {
  TlsClient client({});
  Connection server;
  server.ShakeHands(client);
  ASSERT_TRUE(client.Write("hello"));
  std::string wire = client.Take();
  wire.back() = static_cast<char>(wire.back() ^ 1);
  server.Receive(wire);
  EXPECT_EQ(server.session().state(), State::kFailed);
  EXPECT_EQ(server.plain(), "");
  ByteBuffer none;
  EXPECT_FALSE(server.session().Seal("x", none));
}

TEST(TlsSession, NewKeysAreCountedAsVain) {
  TlsClient client({});
  Connection server;
  server.ShakeHands(client);
  (void)server.session().TakeVain();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_TRUE(client.Write("x"));
  }
  server.Receive(client.Take());
  EXPECT_EQ(server.plain(), "xxx");
  EXPECT_EQ(server.session().TakeVain(), 3u);
  EXPECT_EQ(server.session().TakeVain(), 0u);
}

TEST(TlsSession, NothingIsNegotiatedAgain) {
  TlsClient client({.version = TLS1_2_VERSION});
  Connection server;
  server.ShakeHands(client);
  ASSERT_EQ(server.session().state(), State::kOpen);
  ASSERT_EQ(SSL_renegotiate(client.ssl()), 1);
  (void)client.ShakeHands();
  server.Receive(client.Take());
  EXPECT_EQ(server.session().state(), State::kFailed);
}

}  // namespace
}  // namespace objpool::rpc
