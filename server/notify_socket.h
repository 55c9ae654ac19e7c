// NotifySocket: tells the service manager that started this process how it does, in the words of
// sd_notify(3).
//
// The way is a datagram socket whose name is in $NOTIFY_SOCKET: a path, or "@NAME" for an abstract
// one. Without that variable nothing is opened and every call succeeds at once.
// A message is handed over within a second, or given up.
// Threads: one at a time.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace objpool::server {

class NotifySocket {
 public:
  // What the environment says; null stands for a variable that is not there.
  struct Environment {
    const char* socket = nullptr;         // NOTIFY_SOCKET
    const char* watchdog_usec = nullptr;  // WATCHDOG_USEC
    const char* watchdog_pid = nullptr;   // WATCHDOG_PID
  };
  [[nodiscard]] static Environment OfThisProcess();

  // `why` says what is wrong with the environment, which then counts as empty.
  explicit NotifySocket(const Environment& environment, std::string& why);
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // Within how long Alive must be called again and again; none where nobody watches.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

  // False where the message could not be handed over; errno says why. `status` is a line for
  // people.
  [[nodiscard]] bool Ready(std::string_view status);
  [[nodiscard]] bool Alive();
  // It stops, and nobody need worry before `at_most` has passed.
  [[nodiscard]] bool Stopping(std::string_view status, std::chrono::microseconds at_most);

 private:
  [[nodiscard]] bool Send(const std::string& message);

  int socket_ = -1;  // connected; none where nobody wants to know
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace objpool::server
