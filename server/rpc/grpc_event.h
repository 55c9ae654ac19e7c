// GrpcEvent: what a tag on gRPC's completion queue points at.
//
// A call owns a few of them. Each is under way at most once at a time; when the queue hands it
// back, it notes the result and wakes the coroutine that serves the call.
#pragma once

#include <coroutine>
#include <utility>

#include "pool/base/check.h"

namespace objpool::rpc {

// The point at which one coroutine waits for any event of its call.
class GrpcWaiter {
 public:
  struct Awaitable {
    GrpcWaiter& waiter;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) noexcept { waiter.waiting_ = coroutine; }
    void await_resume() const noexcept {}
  };
  // The coroutine, and this object with it, may be gone when this returns.
  void Wake() {
    if (waiting_ != nullptr) std::exchange(waiting_, nullptr).resume();
  }

 private:
  std::coroutine_handle<> waiting_;
};

class GrpcEvent {
 public:
  explicit GrpcEvent(GrpcWaiter& waiter) : waiter_(waiter) {}
  GrpcEvent(const GrpcEvent&) = delete;
  GrpcEvent& operator=(const GrpcEvent&) = delete;

  // The two casts to and from gRPC's tags.
  [[nodiscard]] void* Tag() {
    OBJPOOL_CHECK(!pending_, "an event is under way once at a time");
    pending_ = true;
    return this;
  }
  static GrpcEvent& From(void* tag) { return *static_cast<GrpcEvent*>(tag); }

  void Complete(bool ok) {
    pending_ = false;
    fresh_ = true;
    ok_ = ok;
    waiter_.Wake();
  }

  [[nodiscard]] bool pending() const { return pending_; }
  [[nodiscard]] bool ok() const { return ok_; }
  // True once for each completion.
  [[nodiscard]] bool Take() { return std::exchange(fresh_, false); }

 private:
  GrpcWaiter& waiter_;
  bool pending_ = false;
  bool fresh_ = false;
  bool ok_ = false;
};

}  // namespace objpool::rpc
