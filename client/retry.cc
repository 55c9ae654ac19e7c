#include "client/retry.h"

#include <algorithm>
#include <random>

namespace objpool::client {

bool MayRepeat(const Error& error) {
  if (error.code == grpc::StatusCode::ABORTED) return error.reason == "REQUEST_PENDING";
  return error.code == grpc::StatusCode::UNAVAILABLE;
}

bool IsOver(const Error& error) {
  return error.origin == Error::Origin::kServer &&
         (error.code == grpc::StatusCode::NOT_FOUND ||
          error.code == grpc::StatusCode::FAILED_PRECONDITION ||
          error.code == grpc::StatusCode::PERMISSION_DENIED);
}

Milliseconds PauseAfter(uint32_t failed, const Error& error, const RetryOptions& options,
                        uint64_t random) {
  // Beyond, it would overflow, and is above every sensible maximum.
  constexpr uint32_t kMaxDoublings = 20;
  const uint32_t doublings = std::min(failed == 0 ? 0 : failed - 1, kMaxDoublings);
  const Milliseconds most =
      std::max(std::min(options.first_backoff * (int64_t{1} << doublings), options.max_backoff),
               Milliseconds(0));
  const auto part = static_cast<int64_t>(random % (static_cast<uint64_t>(most.count()) + 1));
  const Milliseconds asked = error.retry_after.value_or(Milliseconds(0));
  return std::max(asked, Milliseconds(0)) + Milliseconds(part);
}

uint64_t RandomNumber() {
  // No state, so that neither threads nor a fork can repeat a number.
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

std::string NewRequestId() {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id;
  for (const uint64_t half : {RandomNumber(), RandomNumber()}) {
    for (int shift = 60; shift >= 0; shift -= 4) id += kDigits[half >> shift & 15];
  }
  return id;
}

}  // namespace objpool::client
