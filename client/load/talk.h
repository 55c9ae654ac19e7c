// Talk: what a load says on one connection, over and over.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/load/frame_connection.h"
#include "client/load/tally.h"

namespace objpool::load {

class Talk : public FrameConnection::Listener {
 public:
  // The methods that it calls, and how many calls are under way at most.
  [[nodiscard]] virtual std::vector<std::string> paths() const = 0;
  [[nodiscard]] virtual uint32_t calls() const = 0;
  // Asks for the first time. The connection outlives the talk's part in it.
  virtual void Begin(FrameConnection& connection) = 0;
  // All that had come was told.
  virtual void AfterBurst() {}
  // The tally says that it should stop, and perhaps nothing comes any more that would tell.
  virtual void Stop() {}
  // All cycles have ended, and it has stopped.
  [[nodiscard]] virtual bool over() const = 0;
};
// One for each connection; all of one load count into one tally.
using TalkMaker = std::function<std::unique_ptr<Talk>(Tally&)>;

}  // namespace objpool::load
