// MemoryTransport: the network of a worker of engine h2, made of memory.
//
// The worker is as it is; what it asks the system for is answered here, by the linker (--wrap, see
// CMakeLists.txt): epoll_wait brings the next step of a script, recv and send move bytes of strings
// and the clock stands still unless a step moves it. So nothing waits and nothing calls the system,
// and the same script always goes the same way.
//
// One connection at a time, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace objpool::fuzz {

struct Step {
  // Each happens behind those before it.
  std::string bytes;            // come from the client; none: no event
  uint64_t later_ns = 0;        // then so much time passes
  std::size_t room = SIZE_MAX;  // and from then on the client's socket takes so much
};

struct Conversation {
  std::string sent;       // by the server, all of it or its first MiB
  std::size_t turns = 0;  // that the worker made
  bool cut = false;       // the server closed before the client did
};

// Has a client connect, say all that, and go. `turn` is a turn of the worker; `settled` says
// whether nothing is left of the client, and a worker that does not come to that is a bug.
[[nodiscard]] Conversation RunClient(const std::vector<Step>& steps,
                                     const std::function<void()>& turn,
                                     const std::function<bool()>& settled);

}  // namespace objpool::fuzz
