#include "tests/fuzz/lockstep.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

namespace objpool::fuzz {
namespace {

// Never destroyed: the thread waits when the process ends.
struct Turns {
  std::mutex lock;
  std::condition_variable changed;
  bool of_server = true;
};
Turns& turns() {
  static auto* const one = new Turns;
  return *one;
}

void Await(bool of_server) {
  std::unique_lock guard(turns().lock);
  turns().changed.wait(guard, [of_server] { return turns().of_server == of_server; });
}

void Give(bool to_server) {
  const std::scoped_lock guard(turns().lock);
  turns().of_server = to_server;
  turns().changed.notify_all();
}

}  // namespace

void LetServerGo() {
  Await(false);  // it has begun
  Give(true);
  Await(false);
}

}  // namespace objpool::fuzz

// In the place of the C library's, for libmicrohttpd too.
extern "C" int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  using namespace objpool::fuzz;
  for (;;) {
    const long ready = syscall(SYS_epoll_pwait, epoll, events, most, 0, nullptr, 0);
    if (ready != 0 || timeout == 0) return static_cast<int>(ready);
    Give(false);
    Await(true);
  }
}
