// LoadLoop: one thread that keeps some connections busy in closed loops, of whatever protocol.
//
// RunFor as often as one likes, for a warm-up and a measured part, then Finish, which lets every
// cycle come to its end, so that nothing stays leased.
//
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/load/event_loop.h"
#include "client/load/tally.h"

namespace objpool::load {

// One connection, and what is said on it. Counts into the tally of its loop.
class Line {
 public:
  virtual ~Line() = default;
  [[nodiscard]] virtual int fd() const = 0;
  // Asks for the first time. What is asked leaves with Flush, here and below.
  virtual void Begin() = 0;
  // Takes what has come, and asks on. False when the connection is over, with `why`.
  [[nodiscard]] virtual bool OnReadable(std::string& why) = 0;
  [[nodiscard]] virtual bool Flush(std::string& why) = 0;
  [[nodiscard]] virtual bool has_unsent() const = 0;
  // The tally says that it should stop, and perhaps nothing comes any more that would tell.
  virtual void Stop() = 0;
  // All cycles have ended, and it has stopped.
  [[nodiscard]] virtual bool over() const = 0;
};

class LoadLoop {
 public:
  void Add(std::unique_ptr<Line> line);
  // Lets all lines ask for the first time. False, with `why`, as below.
  [[nodiscard]] bool Begin(std::string& why);
  // Goes on for so long; what ends meanwhile counts where `measured`. False, with `why`, where a
  // connection broke or an answer was wrong: then the load is of no more use. Calls that failed are
  // only counted.
  [[nodiscard]] bool RunFor(std::chrono::nanoseconds time, bool measured, std::string& why);
  // Begins no more cycles, and waits for the ends of those under way.
  [[nodiscard]] bool Finish(std::string& why);

  [[nodiscard]] Tally& tally() { return tally_; }
  // Looks for answers all the time, rather than sleep until there are some. For a load that has a
  // CPU to itself: waking it costs the server, and time.
  void Spin() { spins_ = true; }

 private:
  struct Member {
    std::unique_ptr<Line> line;
    bool wants_writable = false;
  };
  void OnReady(uint32_t number);
  void Flush(uint32_t number);
  void Turn(std::chrono::nanoseconds most);
  [[nodiscard]] bool Sound(std::string& why) const;

  EventLoop loop_;
  Tally tally_;
  bool spins_ = false;
  std::vector<Member> members_;
};

}  // namespace objpool::load
