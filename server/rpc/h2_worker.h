// H2Worker: one pinned thread with its listener, its connections and their calls.
//
// A turn: wait for events; let each connection that has bytes read once, which runs the handlers of
// the calls that came whole; every 20 ms look at all clocks; run the owner's hook; let each
// connection that has something to say send it. Nothing of a worker is touched by other threads,
// but for the flags behind Wake, Hurry, BeginStop and Stop, and what is in H2Shared.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/rpc/byte_buffer.h"
#include "server/rpc/engine.h"
#include "server/rpc/event_set.h"
#include "server/rpc/h2_listener.h"
#include "server/rpc/h2_protocol.h"
#include "server/rpc/h2_shared.h"
#include "server/rpc/h2_tls_door.h"
#include "server/rpc/h2_trailers.h"
#include "server/rpc/inflater.h"

namespace objpool::rpc {

class H2Call;
class H2Connection;

class H2Worker {
 public:
  using Shared = H2Shared;

  H2Worker(uint32_t index, const EngineOptions& options, const MethodTable& methods,
           const WorkerHooks& hooks, Shared& shared);
  ~H2Worker();
  static constexpr bool kCountsConnections = true;
  [[nodiscard]] static std::string EngineName() { return "h2"; }
  // Of libnghttp2.
  [[nodiscard]] static std::string EngineVersion();

  // See worker_engine.h.
  [[nodiscard]] bool Prepare(std::string& why);
  [[nodiscard]] bool Listen(uint16_t& port, UnixSocketFile* file, std::string& why);
  void Serve();
  void BeginStop();
  void Stop(std::chrono::system_clock::time_point deadline);
  void Wake() { events_.Wake(); }
  void Hurry() { hurry_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] WorkerStats& stats() { return stats_; }
  [[nodiscard]] const std::string& pin_error() const { return pin_error_; }

  // The same without a thread, for who brings one: in the place of Prepare and Serve. A turn is
  // false when the worker was told to stop and nothing is left.
  [[nodiscard]] bool Open(std::string& why);
  [[nodiscard]] bool Turn();

  // For its connections and calls.
  [[nodiscard]] uint32_t index() const { return index_; }
  [[nodiscard]] BootNs now() const { return now_; }
  // What was read from a socket was sent before that, and perhaps long after the turn began.
  void LookAtClock() { now_ = BootNow(); }
  [[nodiscard]] BootNs request_timeout_ns() const { return request_timeout_ns_; }
  // When a connection that begins now is as old as it may be.
  [[nodiscard]] BootNs AgeLimit();
  [[nodiscard]] BootNs age_grace_ns() const {
    return static_cast<BootNs>(std::chrono::nanoseconds(options_.max_connection_age_grace).count());
  }
  [[nodiscard]] std::size_t max_request_bytes() const { return options_.max_request_bytes; }
  [[nodiscard]] const MethodTable& methods() const { return methods_; }
  [[nodiscard]] const H2Protocol& protocol() const { return protocol_; }
  [[nodiscard]] bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint8_t* input() { return input_.get(); }  // h2_limits::kReadBytes of them
  [[nodiscard]] ByteBuffer& output() { return output_; }
  [[nodiscard]] TlsDoor& tls_door() { return tls_door_; }
  [[nodiscard]] H2Trailers& trailers() { return trailers_; }
  [[nodiscard]] Inflater& inflater() { return inflater_; }
  [[nodiscard]] ByteBuffer& inflated() { return inflated_; }  // empty between calls
  // What all its calls hold of requests and of answers.
  [[nodiscard]] std::size_t& unread() { return unread_; }
  [[nodiscard]] std::size_t& unsent() { return unsent_; }
  // And what they may hold.
  [[nodiscard]] std::size_t max_unread() const { return max_unread_; }
  [[nodiscard]] std::size_t max_unsent() const { return max_unsent_; }
  void Watch(H2Connection& connection, int fd, uint32_t events);
  // Null when there are too many.
  [[nodiscard]] H2Call* NewCall(H2Connection& connection, int32_t stream);
  void Recycle(H2Call& call);
  [[nodiscard]] bool StreamBegan(const H2Connection& connection);
  void StreamEnded() { --streams_; }
  // A call has its answer, which is sent before the rest of the turn is done.
  void NoteAnswer() { answered_ = true; }
  // For the end of the turn.
  void NoteDirty(H2Connection& connection) { dirty_.push_back(&connection); }
  void NoteDrained(H2Call& call) { drained_.push_back(&call); }
  void NoteOver(H2Connection& connection) { over_.push_back(&connection); }

 private:
  void Run();
  void WatchListener(bool watched);
  void WaitForEvents(bool at_once);
  void HandleEvents();
  void StartHandshakes();
  void TakeConnections(int socket);
  [[nodiscard]] bool Give(int fd);  // any thread; false when too many wait
  void TakeGiven();
  void Take(int fd, bool encrypted);
  void Refuse(int fd, Cut why);
  void Tick();
  void FlushDirty();
  void EndTurn();
  // While stopping; true when nothing is left.
  [[nodiscard]] bool Leave();

  const uint32_t index_;
  const EngineOptions& options_;
  const MethodTable& methods_;
  const WorkerHooks& hooks_;
  Shared& shared_;
  const BootNs request_timeout_ns_;
  const std::size_t max_unread_;
  const std::size_t max_unsent_;
  WorkerStats stats_;
  std::string pin_error_;
  std::string start_error_;
  H2Protocol protocol_;
  H2Listener listener_;
  EventSet events_;

  std::mutex given_lock_;
  std::vector<int> given_;  // connections from the worker that has the Unix socket

  // The worker thread's own.
  const std::unique_ptr<uint8_t[]> input_;
  ByteBuffer output_;
  H2Trailers trailers_;
  Inflater inflater_;
  ByteBuffer inflated_;
  BootNs now_ = 0;
  BootNs ended_at_ = 0;      // the last turn
  bool again_ = true;        // the first turn; later, handlers may have left work for the hook
  bool hurry_turn_ = false;  // the hook has asked for the next one
  bool served_ = false;      // this turn did something for a client
  bool answered_ = false;    // an answer is in dirty_
  BootNs worked_ns_ = 0;     // for nobody who waits, without a pause
  bool deaf_ = true;         // the listener is not watched before listen_at_
  BootNs listen_at_ = 0;
  bool leaving_ = false;
  std::size_t dealt_ = 0;  // connections of the Unix socket
  BootNs quiet_since_ = 0;
  std::minstd_rand random_;  // for what need only differ
  TlsDoor tls_door_;
  std::size_t unread_ = 0;
  std::size_t unsent_ = 0;
  std::size_t streams_ = 0;
  std::vector<std::unique_ptr<H2Call>> calls_;
  std::vector<std::unique_ptr<H2Call>> free_calls_;
  std::vector<std::unique_ptr<H2Connection>> connections_;
  std::vector<H2Connection*> dirty_;
  std::vector<H2Connection*> flushing_;
  std::vector<H2Call*> drained_;
  std::vector<H2Call*> telling_;
  std::vector<H2Connection*> over_;

  std::latch prepared_{1};  // counted down by the thread, when start_error_ is final
  std::atomic<int> go_{0};  // 0 wait, 1 serve, -1 leave
  std::atomic<bool> stopping_{false};
  std::atomic<bool> hurry_{false};
  // When to cancel what is under way; 0 before Stop. By the system's clock, in nanoseconds.
  std::atomic<int64_t> stop_at_{0};
  std::thread thread_;
};

}  // namespace objpool::rpc
