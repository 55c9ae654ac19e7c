#include "server/rpc/event_set.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>

#include "pool/base/check.h"

namespace objpool::rpc {
namespace {

constexpr BootNs kSecondNs = 1'000'000'000;

}  // namespace

EventSet::EventSet(std::chrono::microseconds busy_poll)
    : busy_poll_ns_(static_cast<BootNs>(std::chrono::nanoseconds(busy_poll).count())) {}

EventSet::~EventSet() {
  for (const int fd : {wake_, tick_, epoll_}) {
    if (fd >= 0) close(fd);
  }
}

bool EventSet::Open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  tick_ = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  return epoll_ >= 0 && wake_ >= 0 && tick_ >= 0 && Add(wake_, {.u64 = kWake}) &&
         Add(tick_, {.u64 = kTick});
}

bool EventSet::Add(int fd, epoll_data_t tag) {
  epoll_event event{.events = EPOLLIN, .data = tag};
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void EventSet::Remove(int fd) { (void)epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

void EventSet::Change(int fd, epoll_data_t tag, uint32_t events) {
  epoll_event event{.events = events, .data = tag};
  OBJPOOL_CHECK(epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) == 0, "a socket is watched");
}

void EventSet::Wait(int patience_ms, BootNs now) {
  if (patience_ms < 0) {
    for (; now < served_at_ + busy_poll_ns_; now = BootNow()) {
      if (Ask(0)) return;
    }
  }
  (void)Ask(patience_ms);
}

bool EventSet::Ask(int patience_ms) {
  const int count =
      epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), patience_ms);
  OBJPOOL_CHECK(count >= 0 || errno == EINTR, "epoll waits");
  count_ = count < 0 ? 0 : static_cast<std::size_t>(count);
  return count_ != 0;
}

void EventSet::Wake() {
  if (woken_.exchange(true, std::memory_order_acq_rel)) return;
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof(one));
}

void EventSet::ClearWake() {
  uint64_t count = 0;
  (void)!read(wake_, &count, sizeof(count));
  (void)woken_.exchange(false, std::memory_order_acq_rel);
}

// A time limit of epoll_wait would do, and would set and cancel the CPU's timer for each wait: two
// microseconds on a virtual machine.
void EventSet::SetTick(BootNs at) {
  tick_at_ = at;
  itimerspec due{};
  due.it_value.tv_sec = static_cast<decltype(due.it_value.tv_sec)>(at / kSecondNs);
  due.it_value.tv_nsec = static_cast<decltype(due.it_value.tv_nsec)>(at % kSecondNs);
  OBJPOOL_CHECK(timerfd_settime(tick_, TFD_TIMER_ABSTIME, &due, nullptr) == 0, "a tick is set");
}

}  // namespace objpool::rpc
