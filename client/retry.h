// Retry: which failed calls may be made again, and after what pause. Pure: chance is an argument.
//
// Made again is what did nothing, or does no harm when it is done twice: reads, Return, Renew and
// RevokeGrant of a fence, most of what changes pools, and a Lease by its request_id. That is after
// UNAVAILABLE, whether the server said so or the connection was refused or broke, and after ABORTED
// / REQUEST_PENDING. Nothing else is: RESOURCE_EXHAUSTED would make an overload worse, and whether
// to wait for an empty pool is the caller's decision (LeaseRequest.max_wait); DEADLINE_EXCEEDED
// leaves no time.
#pragma once

#include <cstdint>
#include <string>

#include "client/duration.h"
#include "client/error.h"

namespace objpool::client {

struct RetryOptions {
  // How often a call is made, the first time included. Range: 1 .. 100. Default: 1, nothing is
  // repeated.
  uint32_t max_attempts = 1;
  // The pause before an attempt is anything from 0 to the backoff, which begins with this and
  // doubles each time, up to the longest. Range: 1 ms and more.
  Milliseconds first_backoff{20};
  Milliseconds max_backoff{1000};
};

// Whether a call that may be made twice is worth it after this error.
[[nodiscard]] bool MayRepeat(const Error& error);
// Whether the server said that the grant of a Renew or Return is over, and will not say otherwise.
[[nodiscard]] bool IsOver(const Error& error);
// The pause after `failed` attempts: what the server asked for (RetryInfo), and a random part of
// the backoff. `random` is any number.
[[nodiscard]] Milliseconds PauseAfter(uint32_t failed, const Error& error,
                                      const RetryOptions& options, uint64_t random);

// Any number, from the system; not for secrets.
[[nodiscard]] uint64_t RandomNumber();
// 128 random bits, as 32 hexadecimal digits.
[[nodiscard]] std::string NewRequestId();

}  // namespace objpool::client
