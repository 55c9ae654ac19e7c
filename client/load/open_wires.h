// OpenWires: the connections of an OpenLoop, and which of them a call goes over.
//
// A call belongs to a number of its owner, which has one at a time. It takes the next connection of
// its side that has a place; where none has, it waits in line for the first that will. With
// `stream` a call is an operation of the connection's Session, and those that leave together are
// one message.
//
// Threads: one.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/event_loop.h"
#include "client/load/frame_connection.h"
#include "client/load/session_messages.h"

namespace objpool::load {

class OpenWires {
 public:
  struct Options {
    std::string address;
    uint32_t count = 1;
    // The first so many are for leases only, and the others for all else; 0: all are for all.
    uint32_t for_leases = 0;
    // What the server breaks is made anew; else it is the end.
    bool reconnects = false;
    bool stream = false;
  };
  enum class Side : uint8_t { kLeases, kOthers };
  enum Method : std::size_t { kLease, kReturn, kRenew };
  enum class Breaker : uint8_t { kServer, kClient };

  class Owner {
   public:
    virtual ~Owner() = default;
    // A call leaves now: appends its message, and says which method it is of.
    virtual Method Prepare(uint32_t number, std::string& message) = 0;
    // Its end. The reply may be taken away.
    virtual void OnAnswer(uint32_t number, uint32_t wire, uint32_t status, std::string& reply) = 0;
    // Its connection broke before: nobody knows what became of it.
    virtual void OnLost(uint32_t number, Breaker breaker) = 0;
  };

  explicit OpenWires(Options options) : options_(std::move(options)) {}
  // `owner` must outlive them.
  [[nodiscard]] bool Connect(Owner& owner, std::string& why);

  // The clock is looked at: it stood still since they were connected.
  void Wake() { now_ns_ = EventLoop::NowNs(); }
  void Ask(uint32_t number, Side side);
  // Sends what was asked, and takes what comes until then. False, with `why`, when it is over.
  [[nodiscard]] bool Turn(uint64_t until_ns, std::string& why);
  // One connection is closed with all that is under way on it, and made anew.
  void Break(uint32_t wire);
  // Ends the load with this sentence.
  void Fail(std::string why) { broken_ = std::move(why); }

  [[nodiscard]] uint64_t now_ns() const { return now_ns_; }
  [[nodiscard]] uint32_t count() const { return options_.count; }
  // How often one was made anew because the server had broken it.
  [[nodiscard]] uint64_t reconnects() const { return reconnects_; }

 private:
  static constexpr uint32_t kNobody = UINT32_MAX;

  struct Wire final : FrameConnection::Listener {
    Wire(OpenWires& of, uint32_t own) : wires(of), number(own) {}
    void OnMessage(uint32_t place, std::string_view message) override {
      if (wires.options_.stream) return wires.TakeAnswers(*this, message);
      replies[place].assign(message);
    }
    void OnEnd(uint32_t place, uint32_t status) override {
      if (wires.options_.stream) return wires.OnSessionEnd(status);
      wires.OnEnd(*this, place, status);
    }
    OpenWires& wires;
    const uint32_t number;
    std::unique_ptr<FrameConnection> connection;  // null: broken
    std::vector<uint32_t> owners;                 // by place, or kNobody
    std::vector<std::string> replies;             // by place
    std::vector<uint32_t> free;                   // places
    std::string said;                             // with `stream`: the message that leaves next
    bool touched = false;
    bool wants_writable = false;
  };
  struct Group {
    uint32_t first = 0;
    uint32_t count = 0;
    uint32_t next = 0;
    std::deque<uint32_t> waiting;  // for a place: as many as the owner has numbers, at most
  };

  [[nodiscard]] bool Open(Wire& wire, std::string& why);
  void Lose(Wire& wire, Breaker breaker);
  void OnBroken(Wire& wire);
  void Mend();
  [[nodiscard]] Group& GroupOf(Side side);
  [[nodiscard]] bool TryAsk(uint32_t number, Group& group);
  void ServeWaiting(Group& group);
  void Send(Wire& wire, uint32_t number);
  void OnEnd(Wire& wire, uint32_t place, uint32_t status);
  void Say(Wire& wire, uint32_t place, Method method);
  void SendSaid(Wire& wire);
  void TakeAnswers(Wire& wire, std::string_view message);
  void OnSessionEnd(uint32_t status);
  void Flush();

  const Options options_;
  Owner* owner_ = nullptr;
  EventLoop events_;
  std::vector<std::unique_ptr<Wire>> wires_;
  std::array<Group, 2> groups_;
  std::string message_;
  std::vector<SessionAnswer> answers_;
  uint64_t now_ns_ = EventLoop::NowNs();
  uint32_t down_ = 0;
  uint64_t down_since_ns_ = 0;
  uint64_t try_at_ns_ = 0;
  uint64_t reconnects_ = 0;
  std::string broken_;
};

}  // namespace objpool::load
