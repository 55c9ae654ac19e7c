// BareServer: one thread, its connections, and nothing else: what a protocol costs before anything
// is asked of it. The floor that engines are held against.
//
// It trusts its clients: no limits, no deadlines, and it waits for one who does not read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace objpool::bench {

// One connection's half of a protocol.
class BareProtocol {
 public:
  virtual ~BareProtocol() = default;
  // Takes what has come, and adds what is to leave. False where the connection is to be closed.
  [[nodiscard]] virtual bool OnBytes(std::string_view bytes, std::string& out) = 0;
};

using BareProtocolMaker = std::function<std::unique_ptr<BareProtocol>()>;

// HTTP/2 by libnghttp2, with the calls of EchoScript.
[[nodiscard]] std::unique_ptr<BareProtocol> MakeBareH2();
// What comes goes back.
[[nodiscard]] std::unique_ptr<BareProtocol> MakeBareTcp();

// Serves on a free port of 127.0.0.1, which is told to `listening` as "HOST:PORT", for good. False
// where it cannot listen.
[[nodiscard]] bool ServeBare(const BareProtocolMaker& make,
                             const std::function<void(const std::string& address)>& listening);

}  // namespace objpool::bench
