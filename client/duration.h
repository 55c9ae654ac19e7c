// Times as people write them: a whole number and its unit, "500ms", "30s", "5m", "12h", "7d".
//
// There is no default unit: a bare number is refused, because half of all readers would guess
// wrong.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace objpool::client {

using Milliseconds = std::chrono::milliseconds;

// The longest that any time may be: 7 days, as for a TTL.
inline constexpr Milliseconds kMaxDuration = std::chrono::hours(24 * 7);

// Nothing, and in `why` what is wrong, unless `text` is a time from `least` to `most`.
[[nodiscard]] std::optional<Milliseconds> ParseDuration(std::string_view text, Milliseconds least,
                                                        Milliseconds most, std::string& why);
// In the largest unit that says it without a fraction; ParseDuration reads it back.
[[nodiscard]] std::string FormatDuration(Milliseconds time);
// Rounded down to the largest unit of which it has ten, for tables: 183245ms to 183s.
[[nodiscard]] Milliseconds Coarse(Milliseconds time);

// Milliseconds are what the server counts in; smaller fractions are rounded down.
[[nodiscard]] Milliseconds DurationOf(const google::protobuf::Duration& time);
[[nodiscard]] google::protobuf::Duration ProtoDuration(Milliseconds time);
// RFC 3339 in UTC; empty for an unset time.
[[nodiscard]] std::string FormatTimestamp(const google::protobuf::Timestamp& time);

}  // namespace objpool::client
