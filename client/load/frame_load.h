// FrameLoad: one thread that keeps some connections busy, each with a talk, in closed loops.
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
#include "client/load/frame_connection.h"
#include "client/load/talk.h"
#include "client/load/tally.h"

namespace objpool::load {

class FrameLoad {
 public:
  // Connects so often to "HOST:PORT", and asks for the first time. Null, with `why`, when that
  // cannot be.
  [[nodiscard]] static std::unique_ptr<FrameLoad> Start(const std::string& address,
                                                        uint32_t connections,
                                                        const TalkMaker& make_talk,
                                                        std::string& why);

  // Goes on for so long; what ends meanwhile counts where `measured`. False, with `why`, where a
  // connection broke or an answer was wrong: then the load is of no more use. Calls that failed are
  // only counted.
  [[nodiscard]] bool RunFor(std::chrono::nanoseconds time, bool measured, std::string& why);
  // Begins no more cycles, and waits for the ends of those under way.
  [[nodiscard]] bool Finish(std::string& why);

  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  struct Line {
    std::unique_ptr<Talk> talk;
    std::unique_ptr<FrameConnection> connection;
    bool wants_writable = false;
  };
  FrameLoad() = default;
  void OnReady(uint32_t number);
  void Flush(uint32_t number);
  void Turn(std::chrono::nanoseconds most);
  [[nodiscard]] bool Sound(std::string& why) const;

  EventLoop loop_;
  Tally tally_;
  std::vector<Line> lines_;
};

}  // namespace objpool::load
