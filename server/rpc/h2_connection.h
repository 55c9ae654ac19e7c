// H2Connection: one client's socket with its HTTP/2 session and its calls, on one worker.
//
// In a turn of its worker it reads at most once and sends about once: the calls that a read brought
// are answered together. After Close it stays until its last call is released, because calls ask it
// who their client is.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/rpc/byte_buffer.h"
#include "server/rpc/connection_stats.h"
#include "server/rpc/h2_flood_guard.h"
#include "server/rpc/h2_limits.h"
#include "server/rpc/h2_protocol.h"
#include "server/rpc/h2_request_head.h"
#include "server/rpc/peer_seats.h"
#include "server/rpc/status.h"
#include "server/rpc/tls_session.h"

namespace objpool::rpc {

class H2Call;
class H2Worker;

class H2Connection {
 public:
  // Takes over the socket.
  H2Connection(H2Worker& owner, int fd, std::string peer, PeerSeats::Seat seat, bool encrypted);
  ~H2Connection();
  H2Connection(const H2Connection&) = delete;
  H2Connection& operator=(const H2Connection&) = delete;

  // For the worker. False when it cannot be served.
  [[nodiscard]] bool Begin();
  void OnEvents(uint32_t events);  // of epoll
  void OnTick(BootNs now);
  void StartTls(const TlsPair& pair);  // its turn at the TlsDoor has come
  // Sends what there is. Called by the worker at the end of each turn in which MarkDirty was.
  void Flush();
  // Asks the client to go. It may end its calls, and calls that it has just sent are served; a
  // moment later it is told which was the last one.
  void Drain();
  // Ends the session, and with it all calls. GoAway tells the client why, by an error of HTTP/2;
  // CutOff counts it too.
  void Close();
  void GoAway(uint32_t error, std::string_view text);
  void CutOff(Cut why, uint32_t error);
  [[nodiscard]] bool closed() const { return fd_ < 0; }
  // Nobody refers to it any more.
  [[nodiscard]] bool over() const { return closed() && calls_ == nullptr && !dirty_; }
  [[nodiscard]] std::size_t place() const { return place_; }
  void set_place(std::size_t place) { place_ = place; }

  // For its calls. All do nothing once it is closed.
  [[nodiscard]] const std::string& peer() const { return peer_; }
  [[nodiscard]] std::size_t calls() const { return call_count_; }
  void StartAnswer(H2Call& call);
  void ResumeAnswer(const H2Call& call);
  void EndAnswer(const H2Call& call);
  void AnswerAtOnce(int32_t stream, const Status& status);
  void Cancel(int32_t stream);
  void Credit(int32_t stream, std::size_t bytes);
  void Remove(H2Call& call);
  void NoteCut(CallCut why);
  // What calls hold of requests and of answers. NoteUnread is false when it is too much.
  [[nodiscard]] bool NoteUnread(std::size_t bytes);
  void NoteRead(std::size_t bytes);
  void NoteUnsent(std::size_t bytes);
  void NoteSent(std::size_t bytes);
  [[nodiscard]] bool HasRoomForAnswers() const;

  // For libnghttp2's callbacks. False ends the connection.
  [[nodiscard]] bool OnFrameHead(const nghttp2_frame_hd& head);
  void OnHeadersBegin();
  [[nodiscard]] bool OnHeader(std::string_view name, std::string_view value);
  void OnFrame(const nghttp2_frame& frame);
  [[nodiscard]] bool OnInvalidFrame(bool refused);
  void OnData(H2Call* call, int32_t stream, std::string_view bytes);
  void OnFrameSent(const nghttp2_frame& frame);
  // False when as much is waiting as is sent at a time.
  [[nodiscard]] bool WriteData(const uint8_t* frame_head, std::size_t bytes, H2Call& call);

 private:
  void Read();
  void PaceReads(bool filled);
  [[nodiscard]] bool BeginSession();
  // Of TLS, in h2_connection_tls.cc: what was read of the wire becomes bytes in owner_.input(), so
  // many; 0 also where it was closed.
  [[nodiscard]] std::size_t OpenWire(std::size_t count);
  [[nodiscard]] bool AfterTls(TlsSession::State before);
  [[nodiscard]] bool OnTlsOpen();
  void LeaveDoor();
  void Seal(std::string_view plain);
  void SealLast(std::string_view plain);
  void SendAll(ByteBuffer& wire);
  void Send(const uint8_t* bytes, std::size_t count);
  void WriteRest();
  [[nodiscard]] bool IsRapid(int32_t stream) const;
  // Both are false when it was too much.
  [[nodiscard]] bool Spend(FloodKind kind, uint32_t count = 1);
  [[nodiscard]] bool NoteFlood(FloodKind kind);
  void BeginCall(int32_t stream);
  void AnswerHttp(int32_t stream, const char* http_status);
  void MarkDirty();
  void NoteOver();
  void SeeOff(BootNs now);

  H2Worker& owner_;
  int fd_;
  std::string peer_;
  PeerSeats::Seat seat_;
  std::unique_ptr<TlsSession> tls_;  // null: not encrypted
  enum class AtDoor : uint8_t { kAway, kWaiting, kInside };
  AtDoor at_door_ = AtDoor::kAway;  // of owner_.tls_door()
  BootNs hello_at_ = 0;             // when its handshake began
  H2Session session_;               // null before TLS is open
  std::size_t place_ = 0;
  H2Call* calls_ = nullptr;
  std::size_t call_count_ = 0;
  FloodGuard guard_;
  RequestHead head_;
  bool settled_ = false;  // the client's SETTINGS have come
  bool dirty_ = false;
  bool flooding_ = false;                                // it sent more than it may
  bool useful_ = false;                                  // what was read last had something in it
  std::size_t read_bytes_ = h2_limits::kFirstReadBytes;  // of the next read, at most
  bool noted_over_ = false;
  bool aged_ = false;            // and was asked to go for that
  bool told_encodings_ = false;  // how requests may be compressed
  bool told_last_ = false;       // which call was the last one
  bool left_ = false;            // the client has said that it goes
  BootNs began_at_;
  BootNs frame_at_;        // when the last whole frame came
  BootNs headers_at_ = 0;  // when headers began that are not whole yet
  BootNs ping_at_ = 0;     // when a ping was sent; 0: since then a frame came
  BootNs idle_at_;         // when its last call ended
  BootNs age_at_;          // when it will be as old as it may be
  BootNs drained_at_ = 0;  // when it was asked to go
  BootNs blocked_at_ = 0;  // since when the socket takes nothing
  std::size_t unread_ = 0;
  std::size_t unsent_ = 0;
  ByteBuffer rest_;  // what the socket did not take yet
};

}  // namespace objpool::rpc
