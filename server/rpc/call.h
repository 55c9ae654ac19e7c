// Calls as handlers see them, whatever engine carries them.
//
// Threads: a call lives on one worker. Its handler is called there, and everything below is called
// from there, also when a handler answers later than it was asked. Handlers must not block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/rpc/boot_clock.h"
#include "server/rpc/status.h"

namespace objpool::rpc {

// One request, one reply.
class UnaryCall {
 public:
  virtual ~UnaryCall() = default;
  // The worker that serves the call: 0 .. workers - 1.
  [[nodiscard]] virtual uint32_t worker() const = 0;
  // When the worker took up the event that the request had arrived whole.
  [[nodiscard]] virtual BootNs now() const = 0;
  // Who the client is: the name in its certificate if it showed one, else its address (peer.h).
  [[nodiscard]] virtual std::string peer() const = 0;
  // The request message's bytes; valid until Finish.
  [[nodiscard]] virtual std::string_view request() const = 0;
  // The client has gone or has given up. A handler that answers later looks here first.
  [[nodiscard]] virtual bool cancelled() const = 0;
  // Room for the reply message, to be written before Finish. Once at most.
  [[nodiscard]] virtual uint8_t* AllocateReply(std::size_t bytes) = 0;
  // Ends the call, once: with the reply when the status is OK, else without. The call may be gone
  // when this returns.
  virtual void Finish(const Status& status) = 0;
};
using UnaryHandler = std::function<void(UnaryCall&)>;

// A stream in both directions; of one direction where the method says so.
class StreamCall {
 public:
  virtual ~StreamCall() = default;
  [[nodiscard]] virtual uint32_t worker() const = 0;
  // When the worker took up the event that it works at.
  [[nodiscard]] virtual BootNs now() const = 0;
  // See UnaryCall.
  [[nodiscard]] virtual std::string peer() const = 0;
  // Sends a message after those before it. False when too many wait for a client that does not
  // read: nothing is kept, and the handler should finish the call.
  [[nodiscard]] virtual bool Send(std::string_view message) = 0;
  // Something that was sent has not left yet: the client may read slowly. OnSent tells when it has.
  [[nodiscard]] virtual bool sending() const = 0;
  // Ends the call when all was sent, once.
  virtual void Finish(const Status& status) = 0;
};

// The server's end of one stream. Made when the call comes, destroyed when it is over for any
// reason.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // A message came; its bytes are valid during the call.
  virtual void OnMessage(std::string_view message) = 0;
  // Whether the next message may come. While not, the engine takes none, and the client is held up.
  // Asked after each event of the call, and after each OnTick.
  [[nodiscard]] virtual bool WantsMessage() const { return true; }
  // The client will send no more. Perhaps because it is gone: then the end follows at once.
  virtual void OnHalfClose() = 0;
  // All that was sent has left.
  virtual void OnSent() {}
  // The client has gone, and the call has been ended for that: nothing can be sent or finished any
  // more. Not called where the handler has finished it.
  virtual void OnGone() {}
  // Every so often, some tens of milliseconds apart.
  virtual void OnTick() {}
  // The server is going down: finish soon.
  virtual void OnShutdown() = 0;
};
using StreamFactory = std::function<std::unique_ptr<StreamHandler>(StreamCall&)>;

}  // namespace objpool::rpc
