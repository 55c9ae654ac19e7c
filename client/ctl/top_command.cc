// top: the pools of a server and the slots of one of them, again and again.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <limits>
#include <optional>
#include <ostream>

#include "client/ctl/commands.h"
#include "client/ctl/screen.h"
#include "client/ctl/signal_pipe.h"
#include "client/ctl/top_frame.h"

namespace objpool::client {
namespace {

// Puts the chosen pool, or else the one of most capacity, among those that are shown.
void Choose(const std::string& pool, TopSample& sample) {
  std::vector<v1::Pool>& pools = sample.pools;
  const auto chosen = std::find_if(pools.begin(), pools.end(), [&](const v1::Pool& one) {
    return BarePool(one.name()) == BarePool(pool);
  });
  const auto largest = std::max_element(
      pools.begin(), pools.end(),
      [](const v1::Pool& a, const v1::Pool& b) { return a.capacity() < b.capacity(); });
  const auto place = chosen != pools.end() ? chosen : largest;
  sample.chosen = static_cast<std::size_t>(place - pools.begin());
  if (sample.chosen < kMaxTopPools) return;
  std::rotate(pools.begin(), place, place + 1);
  sample.chosen = 0;
}

Error Look(const Client& client, const std::string& pool, TopSample& sample) {
  sample = {};
  Result<std::vector<v1::Pool>> pools = client.ListPools();
  if (!pools.ok()) return pools.error;
  sample.at = LeaseClock::now();
  sample.pools = std::move(pools.value);
  if (!sample.pools.empty()) Choose(pool, sample);
  while (sample.stats.size() < std::min(sample.pools.size(), kMaxTopPools)) {
    const std::size_t place = sample.stats.size();
    Result<v1::GetPoolStatsResponse> stats = client.GetPoolStats(sample.pools[place].name());
    // A pool that is gone meanwhile is gone at the next look.
    if (!stats.ok() && stats.error.reason != "POOL_UNKNOWN") return stats.error;
    sample.stats.push_back(std::move(stats.value));
  }
  return {};
}

// What ends the waiting for the next look.
enum class Woken : uint8_t { kTime, kResize, kQuit };

class Top {
 public:
  Top(const TopOptions& options, const Target& target, Console& console)
      : options_(options), target_(target), console_(console), client_(OptionsOf(target)) {}

  Exit Run() {
    if (const Error error = Look(client_, options_.pool, before_); !error.ok()) {
      return Fail(console_, error, client_.options());
    }
    if (!options_.pool.empty()) {
      const Result<v1::Pool> pool = client_.GetPool(options_.pool);
      if (!pool.ok()) return Fail(console_, pool.error, client_.options());
    }
    SignalPipe signals({SIGINT, SIGTERM, SIGHUP, SIGWINCH});
    Error error;
    const Exit exit = Loop(signals, error);
    screen_.reset();
    return error.ok() ? exit : Fail(console_, error, client_.options());
  }

 private:
  Exit Loop(SignalPipe& signals, Error& error) {
    now_ = before_;
    if (console_.screen && !options_.once) screen_.emplace(console_.out);
    if (screen_) Show();
    while (true) {
      const LeaseClock::time_point next = now_.at + options_.interval;
      Woken woken = Await(signals, next);
      while (woken == Woken::kResize) {
        Show();
        woken = Await(signals, next);
      }
      if (woken == Woken::kQuit) return quit_;
      before_ = std::move(now_);
      error = Look(client_, options_.pool, now_);
      if (!error.ok()) return Exit::kRefused;
      Show();
      if (const Exit exit = Flush(console_); exit != Exit::kOk || options_.once) return exit;
    }
  }

  void Show() {
    TopLayout layout{.columns = std::numeric_limits<std::size_t>::max(),
                     .rows = std::numeric_limits<std::size_t>::max(),
                     .color = screen_ && console_.color};
    if (screen_) {
      const ScreenSize size = SizeOfScreen();
      layout.columns = size.columns;
      layout.rows = size.rows;
    }
    const std::vector<std::string> frame = TopFrame(before_, now_, target_.server, layout);
    if (screen_) return screen_->Show(frame);
    for (const std::string& line : frame) console_.out << line << '\n';
    if (!options_.once) console_.out << '\n';
  }

  // Until the time of the next look, or until something comes before.
  Woken Await(SignalPipe& signals, LeaseClock::time_point next) {
    while (true) {
      const auto left = std::chrono::ceil<Milliseconds>(next - LeaseClock::now());
      // Keys are looked at only where they come one by one.
      std::array<pollfd, 2> files = {
          {{.fd = signals.fd(), .events = POLLIN, .revents = 0},
           {.fd = screen_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0}}};
      const auto timeout = std::clamp(left, Milliseconds(0), kMaxDuration);
      if (::poll(files.data(), files.size(), static_cast<int>(timeout.count())) == 0) {
        return Woken::kTime;
      }
      const int signal = signals.Next().number;
      if (signal == SIGWINCH) return Woken::kResize;
      if (signal != 0) {
        quit_ = static_cast<Exit>(128 + signal);
        return Woken::kQuit;
      }
      char key = 'q';  // also where the terminal is gone
      if (files[1].revents != 0 && (::read(STDIN_FILENO, &key, 1) <= 0 || key == 'q')) {
        return Woken::kQuit;
      }
    }
  }

  const TopOptions& options_;
  const Target& target_;
  Console& console_;
  const Client client_;
  TopSample before_;
  TopSample now_;
  std::optional<Screen> screen_;
  Exit quit_ = Exit::kOk;
};

}  // namespace

Exit RunTop(const TopOptions& options, const Target& target, Console& console) {
  return Top(options, target, console).Run();
}

}  // namespace objpool::client
