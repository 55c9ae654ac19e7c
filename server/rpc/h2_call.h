// H2Call: one call on one stream of HTTP/2.
//
// It is open as long as its stream is, and final once somebody has finished it: its handler, or the
// engine where the handler never saw it or is a stream's whose client has gone. It is released when
// it is final and no longer open. So a unary call whose client has gone waits for its handler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/rpc/byte_buffer.h"
#include "server/rpc/call.h"
#include "server/rpc/h2_message.h"
#include "server/rpc/method_table.h"

namespace objpool::rpc {

class H2Connection;
class H2Worker;
class RequestHead;

class H2Call final : public UnaryCall, public StreamCall {
 public:
  explicit H2Call(H2Worker& owner) : owner_(owner) {}
  H2Call(const H2Call&) = delete;
  H2Call& operator=(const H2Call&) = delete;
  ~H2Call() override = default;

  // For the worker, which keeps calls for later ones, and knows where it keeps them.
  void Reset(H2Connection& connection, int32_t stream);
  [[nodiscard]] std::size_t place() const { return place_; }
  void set_place(std::size_t place) { place_ = place; }
  void OnTick(BootNs now, bool stopping);

  // For the connection. The headers have come; some of the messages' bytes; all of them; the stream
  // is no more; all that was sent has left.
  void Begin(const RequestHead& head);
  void OnBytes(std::string_view bytes);
  void OnRequestEnd();
  void OnClosed();
  void OnDrained();
  [[nodiscard]] bool open() const { return open_; }
  [[nodiscard]] int32_t stream() const { return stream_; }
  [[nodiscard]] BootNs began_at() const { return began_at_; }
  // What there is to send, and whether nothing comes behind it.
  [[nodiscard]] std::size_t to_send() const { return out_.size(); }
  [[nodiscard]] bool ends() const { return final_; }
  [[nodiscard]] const Status& status() const { return status_; }
  // Moves so many bytes of it to the end of `to`.
  void Take(std::size_t bytes, ByteBuffer& to);

  // UnaryCall and StreamCall.
  [[nodiscard]] uint32_t worker() const override;
  [[nodiscard]] BootNs now() const override;
  [[nodiscard]] std::string peer() const override;
  [[nodiscard]] std::string_view request() const override;
  [[nodiscard]] bool cancelled() const override { return !open_ || timed_out_; }
  [[nodiscard]] uint8_t* AllocateReply(std::size_t bytes) override;
  [[nodiscard]] bool Send(std::string_view message) override;
  [[nodiscard]] bool sending() const override { return !out_.empty(); }
  void Finish(const Status& status) override;

 private:
  friend class H2Connection;  // for its list of calls

  enum class Arrived : uint8_t { kNothing, kMessage, kRefused };

  [[nodiscard]] const Method* method() const;
  [[nodiscard]] Arrived CheckMessage();
  [[nodiscard]] bool InflateRequest();
  [[nodiscard]] bool HandOver(const MessageHead& head);
  void ReadMore();
  void Credit();
  void Answer();
  void TimeOut();
  void EndByEngine(const Status& status);
  void RefuseUnread();
  void RefuseInflated(const Status& status);
  void DropInput();
  void DropOutput();
  void Count(Code code);
  void Release();

  H2Worker& owner_;
  std::size_t place_ = 0;
  H2Connection* connection_ = nullptr;
  H2Call* next_ = nullptr;      // of its connection
  H2Call* previous_ = nullptr;  // likewise
  int32_t stream_ = 0;

  std::size_t method_index_ = MethodTable::kUnknown;
  BootNs began_at_ = 0;
  BootNs request_at_ = 0;   // when the request had arrived whole
  BootNs deadline_at_ = 0;  // 0: none
  BootNs final_at_ = 0;

  bool gzip_ = false;  // its messages may be compressed
  bool open_ = false;
  bool final_ = false;
  bool dispatched_ = false;  // a unary handler has it
  bool timed_out_ = false;   // and answered so, before the handler did
  bool ended_ = false;       // the client sends no more
  bool told_ended_ = false;  // and a stream's handler knows
  bool told_to_stop_ = false;
  bool answering_ = false;  // response headers were sent
  bool drained_ = false;    // OnDrained is due

  ByteBuffer in_;
  std::size_t uncredited_ = 0;  // bytes that the client may not yet send again
  ByteBuffer out_;
  Status status_;
  std::unique_ptr<StreamHandler> handler_;
};

}  // namespace objpool::rpc
