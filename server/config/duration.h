// Durations of the configuration: whole milliseconds within a range.
#pragma once

#include <google/protobuf/duration.pb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/config/errors.h"

namespace objpool::server {

struct DurationRange {
  int64_t low_ms;
  int64_t high_ms;
};

// In milliseconds. None, after adding to `errors`, when `value` is out of `range`, negative,
// malformed or not a whole number of milliseconds.
[[nodiscard]] std::optional<int64_t> CheckDuration(const google::protobuf::Duration& value,
                                                   DurationRange range, std::string_view key,
                                                   ConfigErrors& errors);

[[nodiscard]] google::protobuf::Duration ToDuration(int64_t ms);

// As a flag says it: a whole number with its unit, ms, s, m, h or d, as in "500ms". None when it is
// something else or beyond 2^53 ms.
[[nodiscard]] std::optional<int64_t> ParseDurationMs(std::string_view text);

// In the largest unit that gives a whole number; ParseDurationMs reads it.
[[nodiscard]] std::string FormatDurationMs(int64_t ms);

}  // namespace objpool::server
