#include "client/load/load_loop.h"

#include <algorithm>
#include <utility>

namespace objpool::load {

void LoadLoop::Add(std::unique_ptr<Line> line) {
  loop_.Add(line->fd(), static_cast<uint32_t>(members_.size()));
  members_.push_back({.line = std::move(line)});
}

bool LoadLoop::Begin(std::string& why) {
  tally_.now_ns = EventLoop::NowNs();
  for (uint32_t number = 0; number < members_.size(); ++number) {
    members_[number].line->Begin();
    Flush(number);
  }
  return Sound(why);
}

void LoadLoop::OnReady(uint32_t number) {
  tally_.now_ns = EventLoop::NowNs();
  std::string why;
  if (!members_[number].line->OnReadable(why)) return tally_.Broken(std::move(why));
  Flush(number);
}

void LoadLoop::Flush(uint32_t number) {
  Member& member = members_[number];
  std::string why;
  if (!member.line->Flush(why)) return tally_.Broken(std::move(why));
  const bool wants = member.line->has_unsent();
  if (wants == std::exchange(member.wants_writable, wants)) return;
  loop_.WantWritable(member.line->fd(), number, wants);
}

void LoadLoop::Turn(std::chrono::nanoseconds most) {
  loop_.Turn(most, [this](uint32_t number) { OnReady(number); });
}

bool LoadLoop::Sound(std::string& why) const {
  why = tally_.broken;
  return why.empty();
}

bool LoadLoop::RunFor(std::chrono::nanoseconds time, bool measured, std::string& why) {
  const uint64_t end = EventLoop::NowNs() + static_cast<uint64_t>(time.count());
  tally_.measuring = measured;
  for (uint64_t now = 0; tally_.broken.empty() && (now = EventLoop::NowNs()) < end;) {
    Turn(std::chrono::nanoseconds(spins_ ? 0 : end - now));
  }
  tally_.measuring = false;
  return Sound(why);
}

bool LoadLoop::Finish(std::string& why) {
  constexpr uint64_t kPatienceNs = 30'000'000'000;
  const uint64_t end = EventLoop::NowNs() + kPatienceNs;
  tally_.stopping = true;
  for (uint32_t number = 0; number < members_.size(); ++number) {
    members_[number].line->Stop();
    Flush(number);
  }
  const auto over = [](const Member& member) { return member.line->over(); };
  while (tally_.broken.empty() && !std::ranges::all_of(members_, over)) {
    if (EventLoop::NowNs() > end) tally_.Broken("calls did not end");
    Turn(std::chrono::milliseconds(20));
  }
  return Sound(why);
}

}  // namespace objpool::load
