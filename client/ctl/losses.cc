#include "client/ctl/losses.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "pool/base/check.h"

namespace objpool::client {

Losses::Losses() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  OBJPOOL_CHECK(event_ >= 0, "no file is left to be opened");
}

Losses::~Losses() { ::close(event_); }

void Losses::Add(std::string text) {
  const std::lock_guard lock(mutex_);
  told_.push_back(std::move(text));
  static_cast<void>(::eventfd_write(event_, 1));
}

std::vector<std::string> Losses::Take() {
  const std::lock_guard lock(mutex_);
  eventfd_t count = 0;
  static_cast<void>(::eventfd_read(event_, &count));
  return std::exchange(told_, {});
}

}  // namespace objpool::client
