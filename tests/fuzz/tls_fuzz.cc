// From bytes of the wire to bytes of HTTP/2, and back: a TLS session of a server, a client that
// keeps to TLS, and somebody between them who changes what it says, or speaks for it.
//
// An input is a script: what the client is like (one byte), then steps, each with a byte that says
// what it is (Kind). Whatever it says, what the server believes that the client has said is what it
// did say, or the beginning of it; and where nobody came between them, nothing is refused.
//
// Keys differ each time. What is judged does not depend on them, and their lengths are the same.
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pool/base/check.h"
#include "server/rpc/byte_buffer.h"
#include "server/rpc/tls_pair.h"
#include "server/rpc/tls_session.h"
#include "tests/fuzz/input.h"
#include "tests/support/tls_client.h"

namespace objpool::fuzz {
namespace {

using rpc::TlsSession;
using testing::OwnCertificate;
using testing::TlsClient;
using State = TlsSession::State;

constexpr int kMostSteps = 128;
// More than a record holds, and than is held back of one.
constexpr std::size_t kMostSaid = std::size_t{36} << 10;

enum Kind : uint8_t {
  kRaw,        // LENGTH bytes, that no client has said
  kRecord,     // TYPE LENGTH body: the same, with the head of a record
  kPass,       // STEPS of 16 bytes of what the client has said go on in one piece; 255: all
  kPassBytes,  // COUNT bytes of it, one by one
  kLose,       // COUNT bytes of it
  kChange,     // AT MASK: a byte of it
  kAnswer,     // the client gets what the server has said
  kSay,        // LENGTH text: the client says it, once it may
  kSayMuch,    // KIBIBYTES
  kTell,       // LENGTH text: the server says it
  kEnd,        // the client says that nothing more comes
  kTellEnd,    // the server does
  kNewKeys,    // of the client
  kKinds,
};

// What clients are like, by their numbers in inputs.
SSL_CTX& ClientOf(uint8_t number) {
  static const auto* const all = new std::array<TlsClient::Context, 5>{
      TlsClient::Make({}), TlsClient::Make({.version = TLS1_2_VERSION}),
      TlsClient::Make({.groups = "X448:P-256"}),  // its hello is asked for again
      TlsClient::Make({.protocol = "http/1.1"}), TlsClient::Make({.protocol = ""})};
  return *(*all)[number % all->size()];
}
bool IsWelcome(uint8_t number) { return number % 5 < 3; }

const rpc::TlsPair& Pair() {
  static const auto* const pair = [] {
    const OwnCertificate certificate("server.test");
    std::string why;
    auto* const loaded = new std::shared_ptr(rpc::TlsPair::Load(
        {.cert = certificate.cert_file(), .key = certificate.key_file(), .client_ca = {}}, why));
    OBJPOOL_CHECK(*loaded != nullptr, why.c_str());
    return loaded;
  }();
  return **pair;
}

class Script {
 public:
  explicit Script(Input input)
      : input_(input), number_(input_.Byte()), client_(ClientOf(number_)), pair_(Pair()) {}

  void Run() {
    for (int step = 0; step < kMostSteps && !input_.empty(); ++step) {
      Do(static_cast<Kind>(input_.Byte() % kKinds));
    }
    if (honest_ && IsWelcome(number_)) {
      OBJPOOL_CHECK(session_.state() != State::kFailed, "who keeps to TLS is not refused");
    }
  }

 private:
  void Do(Kind kind) {
    switch (kind) {
      case kRaw:
        return Forge(std::string(input_.Piece()));
      case kRecord: {
        const auto type = static_cast<char>(input_.Byte());
        const std::string_view body = input_.Piece();
        return Forge(std::string{type, 3, 1, 0, static_cast<char>(body.size())}.append(body));
      }
      case kPass: {
        const uint8_t steps = input_.Byte();
        return Receive(TakeOf(steps == 255 ? SIZE_MAX : steps * std::size_t{16}));
      }
      case kPassBytes:
        for (const char byte : TakeOf(input_.Byte())) Receive({&byte, 1});
        return;
      case kLose:
        honest_ = TakeOf(input_.Byte()).empty() && honest_;
        return;
      case kChange:
        return Change();
      default:
        return Speak(kind);
    }
  }

  void Speak(Kind kind) {
    switch (kind) {
      case kAnswer:
        client_.Give(answer_.view());
        answer_.Clear();
        client_.ShakeHands();
        heard_ += client_.Read();
        OBJPOOL_CHECK(told_.starts_with(heard_), "the client hears the server");
        return;
      case kSay:
        return Say(std::string(input_.Piece()));
      case kSayMuch:
        return Say(std::string(std::size_t{1024} * (input_.Byte() % 20), 'm'));
      case kTell: {
        const std::string_view text = input_.Piece();
        const bool open = session_.state() == State::kOpen || session_.state() == State::kEnded;
        // An empty record is none, and nobody asks for one.
        if (text.empty() || ended_) return;
        const bool sealed = session_.Seal(text, answer_);
        OBJPOOL_CHECK(sealed == open, "it speaks while it is open");
        if (sealed) told_ += text;
        return;
      }
      case kEnd:
        // A client that says so too early gives up.
        if (SSL_is_init_finished(client_.ssl()) != 0) client_.SayEnd();
        return;
      case kTellEnd:
        ended_ = true;
        return session_.SayEnd(answer_);
      default:
        (void)SSL_key_update(client_.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
    }
  }

  void Say(const std::string& text) {
    if (text.empty() || said_.size() + text.size() > kMostSaid ||
        SSL_is_init_finished(client_.ssl()) == 0)
      return;
    if (client_.Write(text)) said_ += text;
  }

  void Change() {
    const std::size_t at = input_.Byte();
    const uint8_t mask = input_.Byte();
    Gather();
    if (at >= on_the_way_.size() - taken_ || mask == 0) return;
    char& byte = on_the_way_[taken_ + at];
    byte = static_cast<char>(byte ^ mask);
    honest_ = false;
  }

  // From what the client has said, and nobody has got.
  std::string TakeOf(std::size_t most) {
    Gather();
    std::string taken = on_the_way_.substr(taken_, most);
    taken_ += taken.size();
    return taken;
  }
  void Gather() {
    // To begin with, it makes a key; where all is forged nobody needs that.
    if (!std::exchange(begun_, true)) client_.ShakeHands();
    if (taken_ == on_the_way_.size()) {
      on_the_way_.clear();
      taken_ = 0;
    }
    on_the_way_ += client_.Take();
  }

  void Forge(const std::string& wire) {
    honest_ = honest_ && wire.empty();
    Receive(wire);
  }

  void Receive(std::string_view wire) {
    const State before = session_.state();
    if (before >= State::kEnded || wire.empty()) return;
    const std::size_t answered = answer_.size();
    const std::size_t room = wire.size() + TlsSession::kMaxHeldBack;
    if (plain_.size() != room) plain_ = std::vector<uint8_t>(room);
    const std::size_t got = session_.Receive(wire, plain_.data(), room, answer_);
    OBJPOOL_CHECK(got <= room, "there is room for it");
    const State now = session_.state();
    OBJPOOL_CHECK(now >= before || (before == State::kHandshake && now == State::kHello),
                  "it goes on, or is asked for the hello again");
    OBJPOOL_CHECK(now > State::kWaiting || before > State::kWaiting || answer_.size() == answered,
                  "nothing is said before the hello is whole");
    heard_of_client_.append(reinterpret_cast<const char*>(plain_.data()), got);
    OBJPOOL_CHECK(said_.starts_with(heard_of_client_), "it believes what the client has said");
    if (now == State::kWaiting) session_.Start(pair_, answer_);
    OBJPOOL_CHECK(session_.state() != State::kWaiting, "it waits once");
    if (session_.state() == State::kOpen)
      OBJPOOL_CHECK(session_.Peer().empty(), "it shows nothing");
    (void)session_.TakeVain();
  }

  Input input_;
  const uint8_t number_;
  TlsClient client_;
  const rpc::TlsPair& pair_;
  TlsSession session_;
  std::vector<uint8_t> plain_;
  rpc::ByteBuffer answer_;       // that the client has not got
  std::string on_the_way_;       // from the client
  std::size_t taken_ = 0;        // of that
  std::string said_;             // by the client
  std::string heard_of_client_;  // by the server
  std::string told_;             // by the server
  std::string heard_;            // by the client
  bool begun_ = false;           // the client has
  bool honest_ = true;           // nobody has come between them
  bool ended_ = false;           // the server has said that nothing more comes
};

}  // namespace
}  // namespace objpool::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t count) {
  objpool::fuzz::Script(objpool::fuzz::Input(bytes, count)).Run();
  return 0;
}
