#include "client/load/frame_load.h"

#include <algorithm>
#include <utility>

namespace objpool::load {

std::unique_ptr<FrameLoad> FrameLoad::Start(const std::string& address, uint32_t connections,
                                            const TalkMaker& make_talk, std::string& why) {
  std::unique_ptr<FrameLoad> load(new FrameLoad);
  for (uint32_t number = 0; number < connections; ++number) {
    Line line{.talk = make_talk(load->tally_), .connection = nullptr};
    line.connection =
        FrameConnection::Connect(address, line.talk->paths(), line.talk->calls(), *line.talk, why);
    if (line.connection == nullptr) return nullptr;
    load->loop_.Add(line.connection->fd(), number);
    load->lines_.push_back(std::move(line));
  }
  load->tally_.now_ns = EventLoop::NowNs();
  for (uint32_t number = 0; number < connections; ++number) {
    load->lines_[number].talk->Begin(*load->lines_[number].connection);
    load->Flush(number);
  }
  return load->Sound(why) ? std::move(load) : nullptr;
}

void FrameLoad::OnReady(uint32_t number) {
  Line& line = lines_[number];
  tally_.now_ns = EventLoop::NowNs();
  if (!line.connection->OnReadable()) {
    tally_.Broken(line.connection->error());
    return;
  }
  line.talk->AfterBurst();
  Flush(number);
}

void FrameLoad::Flush(uint32_t number) {
  Line& line = lines_[number];
  if (!line.connection->Flush()) {
    tally_.Broken(line.connection->error());
    return;
  }
  const bool wants = line.connection->has_unsent();
  if (wants == std::exchange(line.wants_writable, wants)) return;
  loop_.WantWritable(line.connection->fd(), number, wants);
}

void FrameLoad::Turn(std::chrono::nanoseconds most) {
  loop_.Turn(most, [this](uint32_t number) { OnReady(number); });
}

bool FrameLoad::Sound(std::string& why) const {
  why = tally_.broken;
  return why.empty();
}

bool FrameLoad::RunFor(std::chrono::nanoseconds time, bool measured, std::string& why) {
  const uint64_t end = EventLoop::NowNs() + static_cast<uint64_t>(time.count());
  tally_.measuring = measured;
  for (uint64_t now = 0; tally_.broken.empty() && (now = EventLoop::NowNs()) < end;) {
    Turn(std::chrono::nanoseconds(end - now));
  }
  tally_.measuring = false;
  return Sound(why);
}

bool FrameLoad::Finish(std::string& why) {
  constexpr uint64_t kPatienceNs = 30'000'000'000;
  const uint64_t end = EventLoop::NowNs() + kPatienceNs;
  tally_.stopping = true;
  for (uint32_t number = 0; number < lines_.size(); ++number) {
    lines_[number].talk->Stop();
    Flush(number);
  }
  const auto over = [](const Line& line) { return line.talk->over(); };
  while (tally_.broken.empty() && !std::ranges::all_of(lines_, over)) {
    if (EventLoop::NowNs() > end) tally_.Broken("calls did not end");
    Turn(std::chrono::milliseconds(20));
  }
  return Sound(why);
}

}  // namespace objpool::load
