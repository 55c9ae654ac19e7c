// What is sent for many grants at once, and what came back. Internal to the library.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "client/client.h"

namespace objpool::client {

[[nodiscard]] v1::ReturnRequest ReturnOf(std::string_view pool, std::span<const Ref> refs,
                                         v1::Disposition disposition);
[[nodiscard]] v1::RenewRequest RenewOf(std::string_view pool, std::span<const Ref> refs,
                                       Milliseconds ttl);
[[nodiscard]] v1::AttachRequest AttachOf(std::string_view pool, std::span<const Ref> refs);
// `refs` is how many there were. Where `error` is one, each has it.
[[nodiscard]] BatchResult ResultOf(const Error& error, std::size_t refs,
                                   const v1::ReturnResponse& response, LeaseClock::time_point sent);
[[nodiscard]] BatchResult ResultOf(const Error& error, std::size_t refs,
                                   const v1::RenewResponse& response, LeaseClock::time_point sent);
[[nodiscard]] BatchResult ResultOf(const Error& error, std::size_t refs,
                                   const v1::AttachResponse& response, LeaseClock::time_point sent);

}  // namespace objpool::client
