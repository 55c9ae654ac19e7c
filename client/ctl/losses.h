// Losses: what other threads say is lost, for one that waits for files.
#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace objpool::client {

class Losses {
 public:
  Losses();
  ~Losses();
  Losses(const Losses&) = delete;
  Losses& operator=(const Losses&) = delete;

  // Any thread. Each loss is told once, so there are no more of them than grants.
  void Add(std::string text);
  // What was added since, in order.
  [[nodiscard]] std::vector<std::string> Take();
  // Readable where there is something to take.
  [[nodiscard]] int fd() const { return event_; }

 private:
  const int event_;
  std::mutex mutex_;
  std::vector<std::string> told_;
};

}  // namespace objpool::client
