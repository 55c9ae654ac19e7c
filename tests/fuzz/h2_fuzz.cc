// From bytes of a client to calls, and back: a worker of engine h2 on a network made of memory.
//
// An input is a script: each step begins with a byte that says what it is (Kind). Whatever it says,
// the server must stay within HTTP/2, call its handlers as server/rpc/call.h promises, count every
// call to its end, and have nothing left of the client some seconds after it has gone.
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pool/base/check.h"
#include "server/rpc/engine.h"
#include "server/rpc/h2_shared.h"
#include "server/rpc/h2_worker.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_transport.h"
#include "tests/fuzz/stub_methods.h"

namespace objpool::fuzz {
namespace {

constexpr std::size_t kMostBytes = std::size_t{32} * 1024;
constexpr std::size_t kMaxRequestBytes = 8192;
constexpr uint64_t kMs = 1'000'000;
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum Kind : uint8_t {
  kRaw,       // LENGTH bytes
  kFrame,     // TYPE FLAGS STREAM LENGTH payload
  kCall,      // STREAM FLAGS PATH COUNT of fields, each NAME LENGTH value
  kMessage,   // STREAM FLAGS COMPRESSED LENGTH LIE payload
  kLong,      // STREAM FLAGS KIBIBYTES: a message of so many
  kTurn,      // the server gets what there is
  kLater,     // EXPONENT: so many times 2 ms pass
  kRoom,      // STEPS of 64 bytes: what the client's socket takes; 255: all
  kWindow,    // STREAM EXPONENT
  kReset,     // STREAM
  kSettings,  // ID EXPONENT
  kPing,      // FLAGS
  kAgain,     // COUNT: the frame before, so many times
  kHeaders,   // STREAM FLAGS LENGTH block
  kMore,      // STREAM FLAGS LENGTH block, by CONTINUATION
  kKinds,
};
enum FrameType : uint8_t {
  kDataFrame = 0,
  kHeadersFrame = 1,
  kResetFrame = 3,
  kSettingsFrame = 4,
  kPingFrame = 6,
  kWindowFrame = 8,
  kContinuationFrame = 9,
};
constexpr uint8_t kPaths = 8;
constexpr std::array<std::string_view, kPaths> kPath = {
    "/f.F/Echo", "/f.F/Later", "/f.F/Error", "/f.F/Big", "/f.F/Talk", "/f.F/Pour", "/f.F/None", ""};
constexpr std::array<std::string_view, 12> kNames = {
    "grpc-timeout",         "grpc-encoding", "content-type", ":method", "te",     "x-bin",
    "grpc-accept-encoding", ":path",         ":authority",   "cookie",  "x-name", "grpc-status"};

void AppendBig(uint64_t value, int bytes, std::string& to) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) to += static_cast<char>(value >> shift);
}

std::string FrameOf(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame;
  AppendBig(payload.size(), 3, frame);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  AppendBig(stream, 4, frame);
  return frame.append(payload);
}

// Literal, never indexed; both shorter than 127 bytes.
void AppendField(std::string_view name, std::string_view value, std::string& to) {
  to += '\x10';
  to += static_cast<char>(name.size());
  to += name;
  to += static_cast<char>(value.substr(0, 126).size());
  to += value.substr(0, 126);
}

// Reads a script.
class Script {
 public:
  explicit Script(Input input) : input_(input) {
    // A script that begins so has to say all by itself.
    if ((input_.Byte() & 1) == 0) now_ = std::string(kPreface) + FrameOf(kSettingsFrame, 0, 0, "");
  }

  std::vector<Step> Read() {
    std::size_t bytes = 0;
    while (!input_.empty() && bytes < kMostBytes) {
      const std::size_t before = now_.size();
      ReadOne(static_cast<Kind>(input_.Byte() % kKinds));
      bytes += now_.size() - std::min(before, now_.size());
    }
    if (!now_.empty()) Turn();
    return std::move(steps_);
  }

 private:
  void ReadOne(Kind kind) {
    switch (kind) {
      case kTurn:
        return Turn();
      case kLater:
        Turn();
        steps_.back().later_ns = (uint64_t{2} << (input_.Byte() % 16)) * kMs;
        return;
      case kRoom: {
        const uint8_t steps = input_.Byte();
        room_ = steps == 255 ? SIZE_MAX : steps * std::size_t{64};
        return Turn();
      }
      case kRaw:
        now_ += input_.Piece();
        return;
      case kAgain:
        for (int left = input_.Byte(); left > 0 && now_.size() < kMostBytes; --left) now_ += last_;
        return;
      default:
        last_ = ReadFrame(kind);
        now_ += last_;
    }
  }

  std::string ReadFrame(Kind kind) {
    if (kind == kSettings) {
      std::string entry;
      AppendBig(input_.Byte() % 10, 2, entry);
      AppendBig((uint64_t{1} << (input_.Byte() % 33)) - 1, 4, entry);
      return FrameOf(kSettingsFrame, 0, 0, entry);
    }
    if (kind == kPing) return FrameOf(kPingFrame, input_.Byte(), 0, "12345678");
    if (kind == kFrame) {
      const uint8_t type = input_.Byte();
      const uint8_t flags = input_.Byte();
      const uint32_t stream = input_.Byte();
      return FrameOf(type, flags, stream, input_.Piece());
    }
    const uint32_t stream = input_.Byte();
    if (kind == kWindow) {
      std::string more;
      AppendBig(uint64_t{1} << (input_.Byte() % 32), 4, more);
      return FrameOf(kWindowFrame, 0, stream, more);
    }
    if (kind == kReset) return FrameOf(kResetFrame, 0, stream, std::string(4, '\x08'));
    const uint8_t flags = input_.Byte();
    if (kind == kHeaders) return FrameOf(kHeadersFrame, flags, stream, input_.Piece());
    if (kind == kMore) return FrameOf(kContinuationFrame, flags, stream, input_.Piece());
    if (kind == kCall) return FrameOf(kHeadersFrame, flags, stream, ReadFields());
    return FrameOf(kDataFrame, flags, stream, kind == kLong ? ReadLong() : ReadMessage());
  }

  std::string ReadFields() {
    std::string block;
    AppendField(":method", "POST", block);
    AppendField(":scheme", "http", block);
    AppendField(":path", kPath[input_.Byte() % kPaths], block);
    AppendField("content-type", "application/grpc", block);
    for (int left = input_.Byte() % 8; left > 0; --left) {
      const std::string_view name = kNames[input_.Byte() % kNames.size()];
      AppendField(name, input_.Piece(), block);
    }
    return block;
  }

  std::string ReadMessage() {
    std::string framed(1, static_cast<char>(input_.Byte()));
    const std::string_view text = input_.Piece();
    const uint8_t lie = input_.Byte();
    AppendBig(text.size() + lie, 4, framed);
    return framed.append(text);
  }

  std::string ReadLong() {
    const std::size_t bytes = std::size_t{1024} * (input_.Byte() % 16);
    std::string framed(1, '\0');
    AppendBig(bytes, 4, framed);
    return framed.append(bytes, 'l');
  }

  void Turn() { steps_.push_back({.bytes = std::exchange(now_, {}), .room = room_}); }

  Input input_;
  std::string now_;   // what the server gets with the next turn
  std::string last_;  // frame
  std::size_t room_ = SIZE_MAX;
  std::vector<Step> steps_;
};

// What a server sends is frames, whole ones but for the last, which a client that is cut off may
// get a part of; the first says its settings.
void CheckFrames(const Conversation& said) {
  std::string_view rest = said.sent;
  bool first = true;
  while (rest.size() >= 9) {
    const auto byte = [rest](std::size_t at) { return static_cast<uint8_t>(rest[at]); };
    const std::size_t bytes = std::size_t{byte(0)} << 16 | std::size_t{byte(1)} << 8 | byte(2);
    OBJPOOL_CHECK(byte(3) <= kContinuationFrame, "a server sends frames that there are");
    const bool goes = byte(3) == 7;
    OBJPOOL_CHECK(!std::exchange(first, false) || goes || byte(3) == kSettingsFrame,
                  "a server says its settings first");
    OBJPOOL_CHECK(bytes <= (std::size_t{1} << 14), "no frame is longer than anybody takes");
    if (rest.size() < 9 + bytes) return;
    rest.remove_prefix(9 + bytes);
  }
}

class Server {
 public:
  Server() {
    stubs_.AddTo(methods_);
    options_.worker_cpus = {std::nullopt};
    options_.max_request_bytes = kMaxRequestBytes;
    options_.request_timeout = std::chrono::milliseconds(2000);
    hooks_.on_turn = [this](uint32_t, rpc::BootNs) {
      stubs_.Turn();
      return false;
    };
    worker_ = std::make_unique<rpc::H2Worker>(0, options_, methods_, hooks_, shared_);
    shared_.workers = {worker_.get()};
    std::string why;
    uint16_t port = 0;
    OBJPOOL_CHECK(worker_->Open(why) && worker_->Listen(port, nullptr, why), why.c_str());
  }

  void Serve(const std::vector<Step>& steps) {
    const rpc::WorkerStats& stats = worker_->stats();
    CheckFrames(RunClient(
        steps, [this] { OBJPOOL_CHECK(worker_->Turn(), "nobody has stopped it"); },
        [&stats, this] {
          return stats.connections.open == 0 && stats.calls_under_way == 0 && stubs_.alive() == 0;
        }));
    for (const rpc::RpcCell& cell : stats.rpcs) {
      uint64_t handled = 0;
      for (const auto& count : cell.handled) handled += count.value();
      OBJPOOL_CHECK(cell.started.value() == handled, "each call that began has ended once");
    }
  }

 private:
  StubMethods stubs_;
  rpc::MethodTable methods_;
  rpc::EngineOptions options_;
  rpc::WorkerHooks hooks_;
  rpc::H2Shared shared_{options_};
  std::unique_ptr<rpc::H2Worker> worker_;
};

}  // namespace
}  // namespace objpool::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t count) {
  using namespace objpool::fuzz;
  static Server server;
  server.Serve(Script(Input(bytes, count)).Read());
  return 0;
}
