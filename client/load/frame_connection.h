// FrameConnection: one HTTP/2 connection to a gRPC server, without TLS, that costs its client as
// little as can be: frames are made and read by hand, and one send takes all that was asked since
// the last.
//
// It is for loads, not for programs: there are no deadlines, no retries and no compression, and any
// surprise ends the connection with a sentence on what it was. A call has a place, 0 .. calls - 1,
// chosen by the caller, which is free again when OnEnd was told of it.
//
// Threads: one. Whoever has it calls OnReadable when something has come, and Flush when all was
// asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/byte_socket.h"
#include "client/load/header_blocks.h"

namespace objpool::load {

struct Frame;

class FrameConnection {
 public:
  // The status of a call that ended without one.
  static constexpr uint32_t kNoStatus = UINT32_MAX;

  // Is told what comes. May ask for more calls, and send, from within.
  class Listener {
   public:
    virtual ~Listener() = default;
    // Valid during the call.
    virtual void OnMessage(uint32_t place, std::string_view message) = 0;
    // Everything that the call had to say was told. `status` is its grpc-status.
    virtual void OnEnd(uint32_t place, uint32_t status) = 0;
  };

  // Waits for the server's settings. `listener` must outlive the connection. Null, with `why`, when
  // there is no such server, or it takes fewer calls at a time.
  [[nodiscard]] static std::unique_ptr<FrameConnection> Connect(
      const std::string& address, const std::vector<std::string>& paths, uint32_t calls,
      Listener& listener, std::string& why);

  // Begins a call of paths[path], with its only message.
  void Call(uint32_t place, std::size_t path, std::string_view message);
  // Begins a call that goes on: then Send, any number of times, and HalfClose.
  void Open(uint32_t place, std::size_t path);
  void Send(uint32_t place, std::string_view message);
  void HalfClose(uint32_t place);

  // Takes what has come. False when the connection is over: see error().
  [[nodiscard]] bool OnReadable();
  [[nodiscard]] bool Flush();
  [[nodiscard]] bool has_unsent() const { return socket_->has_unsent(); }
  [[nodiscard]] int fd() const { return socket_->fd(); }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  struct Place {
    uint32_t stream = 0;       // 0: free
    int64_t window = 0;        // what may be sent of it
    uint32_t to_allow = 0;     // as below
    bool answered = false;     // its first headers came
    bool half_closed = false;  // no more is sent of it
    std::string partial;       // of a message that came in pieces
  };
  // What waits for a window.
  struct Held {
    uint32_t place;
    uint32_t stream;
    bool last;
    std::string bytes;
  };

  FrameConnection(std::unique_ptr<ByteSocket> socket, const std::string& address,
                  const std::vector<std::string>& paths, uint32_t calls, Listener& listener);
  [[nodiscard]] bool Greet(std::string& why);
  [[nodiscard]] bool TakeFrames();
  [[nodiscard]] bool Take(const Frame& frame);
  [[nodiscard]] bool TakeSettings(const Frame& frame);
  [[nodiscard]] bool TakeWindow(const Frame& frame);
  [[nodiscard]] bool TakeHeaders(const Frame& frame);
  [[nodiscard]] bool TakeData(const Frame& frame);
  [[nodiscard]] bool TakeMessages(uint32_t place, std::string_view bytes);
  [[nodiscard]] bool Broken(std::string why);
  void Begin(uint32_t place, std::size_t path);
  void Write(uint32_t place, std::string_view message, bool last);
  void WriteData(uint32_t stream, std::string_view prefix, std::string_view bytes, bool last);
  void SendHeld();
  void End(uint32_t place, uint32_t status);
  void Allow(uint32_t stream, uint32_t& bytes);
  // The place of a stream; nullptr for one that has ended.
  [[nodiscard]] const uint32_t* PlaceOf(uint32_t stream) const;
  [[nodiscard]] std::size_t Spot(uint32_t stream) const { return (stream / 2) % spots_.size(); }

  std::unique_ptr<ByteSocket> socket_;
  RequestBlocks requests_;
  AnswerBlocks answers_;
  Listener& listener_;
  std::vector<Place> places_;
  // The place of stream S is in the spot S / 2, over and over; of streams that are under way no two
  // share one.
  std::vector<uint32_t> spots_;
  uint32_t next_stream_ = 1;
  int64_t window_;        // of the connection
  int64_t first_window_;  // of a new stream
  uint32_t max_streams_;
  uint32_t to_allow_ = 0;  // bytes that came and were not allowed again yet
  bool settled_ = false;   // the server's settings have come
  std::deque<Held> held_;
  std::string error_;
};

}  // namespace objpool::load
