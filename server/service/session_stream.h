// SessionStream: one stream of the Session method: its client's operations, and what it is told.
//
// Operations are served in order, and no message is read before all of the last one are. One that
// takes all grants of the session (heartbeat, release, goodbye) is served in steps, over turns; the
// others wait behind it. At most one message is being sent; what is answered meanwhile, or while
// more comes from the client without a pause, is collected and goes next. Once kMaxCollectedBytes
// are, nothing is served or read until they are gone, so a client that does not read is held up,
// and costs that, one message of its own, one answer, and the answers to leases that wait.
//
// Threads: its worker's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "objpool/v1/lease_service.pb.h"
#include "server/lease/lease_word.h"
#include "server/rpc/call.h"
#include "server/service/arena_message.h"
#include "server/service/plain_wire.h"
#include "server/service/session_service.h"

namespace objpool::server {

class SessionStream final : public rpc::StreamHandler {
 public:
  static constexpr std::size_t kMaxCollectedBytes = std::size_t{64} * 1024;
  static constexpr int kMaxOperations = 1024;
  // Leases that may wait, and the handles that they may wait for.
  static constexpr uint32_t kMaxWaiting = 256;
  static constexpr uint32_t kMaxWaitedFor = 4096;

  SessionStream(SessionService& service, rpc::StreamCall& call);
  ~SessionStream() override;
  SessionStream(const SessionStream&) = delete;
  SessionStream& operator=(const SessionStream&) = delete;

  // StreamHandler.
  [[nodiscard]] bool WantsMessage() const override;
  void OnMessage(std::string_view message) override;
  void OnHalfClose() override { half_closed_ = true; }
  void OnSent() override;
  void OnGone() override;
  void OnTick() override;
  void OnShutdown() override;

  // For the service.
  [[nodiscard]] uint32_t worker() const { return worker_; }
  void Joined(ServedSession& session);
  void Unknown();
  void TakenOver();
  // Serves operations for as long as there is room and this turn's share of work is not done. The
  // caller flushes.
  void Work(lease::BootMs now);
  // There is room for what a look finds, and nothing else is being done with the grants.
  [[nodiscard]] bool TakesNotices() const { return session_ != nullptr && !walk_ && HasRoom(); }
  void Notice(const GrantNews& news);
  // Sends what was collected, if nothing is being sent.
  void Flush();
  // The service's own notes: whether it is in the list of those that have work, and of those whose
  // answers are held back; its number while its session is to come, else 0.
  bool busy = false;
  enum class Corked : uint8_t { kOut, kIn, kFresh } cork = Corked::kOut;
  uint64_t number = 0;
  bool awaits_disk = false;

  // For its leases that wait, which outlive it by a little.
  struct Line {
    SessionStream* stream;
    uint32_t waiting = 0;
    uint32_t waited_for = 0;
  };
  // A Lease that named `request_id` is `named`.
  void Served(uint64_t id, bool named, uint64_t ttl_ms, const NamedPool& pool,
              const lease::Waiter& waiter);
  void Refused(uint64_t id, const google::rpc::Status& error);

 private:
  enum class State : uint8_t { kNew, kComing, kOpen, kOver };

  // An operation over all grants, on its way.
  struct Walk {
    v1::SessionOperation::OperationCase kind;
    std::size_t end;
    std::optional<uint64_t> ttl_ms;  // of a heartbeat
    uint32_t done = 0;               // renewed or returned
    v1::SessionAnswer answer;
  };
  // What a collected answer to a Lease gives that cannot be repeated.
  struct Unnamed {
    std::string pool;
    lease::GrantRef ref;
  };

  [[nodiscard]] lease::BootMs Now() const;
  [[nodiscard]] bool HasRoom() const { return collected_.size() < kMaxCollectedBytes; }
  [[nodiscard]] bool HasWork() const { return walk_ || next_ < request_->operations_size(); }
  [[nodiscard]] SessionStep Step(lease::BootMs now);
  [[nodiscard]] std::optional<google::rpc::Status> CheckMessage() const;
  void Open();
  void Start();
  void Opened(bool resumed);
  void Fail(const google::rpc::Status& error) { Close(ToCallStatus(error), true); }
  void Close(const rpc::Status& status, bool linger);
  void Detach(lease::BootMs now, bool linger);
  void SendCollected();
  [[nodiscard]] bool OnDisk();
  void ReturnUnsent(lease::BootMs now);

  // session_plain.cc. Serves a message without making one; false where it has to be made.
  [[nodiscard]] bool ServePlain(std::string_view message);
  void LeasePlain(const PlainOperation& operation, lease::BootMs now);
  void ReturnPlain(const PlainOperation& operation, lease::BootMs now);

  // session_operations.cc. Each says what it cost, in grants.
  [[nodiscard]] std::size_t Serve(v1::SessionOperation& operation, lease::BootMs now);
  [[nodiscard]] std::size_t ServeLease(uint64_t id, v1::LeaseRequest& request, lease::BootMs now);
  [[nodiscard]] std::size_t ServeReturn(uint64_t id, const v1::ReturnRequest& request,
                                        lease::BootMs now);
  [[nodiscard]] std::size_t ServeRenew(uint64_t id, const v1::RenewRequest& request,
                                       lease::BootMs now);
  [[nodiscard]] std::size_t ServeAttach(uint64_t id, const v1::AttachRequest& request,
                                        lease::BootMs now);
  [[nodiscard]] google::rpc::Status AttachOne(const v1::AttachItem& item, int place,
                                              lease::BootMs now);
  [[nodiscard]] std::optional<google::rpc::Status> RefuseRenew(std::string_view pool,
                                                               lease::BootMs now);
  void BeginWalk(const v1::SessionOperation& operation);
  [[nodiscard]] std::size_t StepWalk(lease::BootMs now);
  void EndWalk();
  void KeepBooks(const v1::LeaseRequest& request, const v1::LeaseResponse& reply,
                 lease::BootMs now);
  // What was leased is the session's from now on. A Lease that named `request_id` is `named`.
  void Hold(const NamedPool& pool, const v1::LeaseResponse& reply, uint64_t ttl_ms, bool named,
            lease::BootMs now);
  void HoldOne(const NamedPool& pool, const lease::GrantRef& ref, uint64_t ttl_ms,
               lease::BootMs deadline, bool named, lease::BootMs now);
  [[nodiscard]] bool RoomFor(std::size_t grants) const;
  // An answer, to be told before what is collected is sent.
  [[nodiscard]] v1::SessionAnswer& NewAnswer(uint64_t id);
  // Adds it to what is collected: the error in the place of the reply where there is one.
  void Tell(v1::SessionAnswer& answer, const google::rpc::Status& error);
  void Refuse(uint64_t id, const google::rpc::Status& error) { Tell(NewAnswer(id), error); }

  SessionService& service_;
  rpc::StreamCall& call_;
  const std::string peer_;
  const uint32_t worker_;
  const rpc::BootNs began_at_ = rpc::BootNow();
  State state_ = State::kNew;
  bool half_closed_ = false;
  bool is_there_ = false;  // it would be known by now that the client has gone
  bool told_drain_ = false;
  uint64_t ticket_ = 0;               // of DiskAnswers: what is collected has to wait for it
  ServedSession* session_ = nullptr;  // while open
  std::shared_ptr<Line> line_;        // shared with leases that wait
  // An operation is being served: what is collected stays.
  bool serving_ = false;
  // The message that is being served.
  ArenaMessage<v1::SessionRequest> request_;
  int next_ = 0;
  std::optional<Walk> walk_;
  // What goes out next: a SessionResponse, as its bytes; and the answers it was made of.
  std::string collected_;
  MessageArena answers_;
  std::vector<Unnamed> unnamed_;
};

}  // namespace objpool::server
