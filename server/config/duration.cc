#include "server/config/duration.h"

#include <array>
#include <charconv>

namespace objpool::server {
namespace {

constexpr int64_t kMsPerSecond = 1'000;
constexpr int32_t kNsPerMs = 1'000'000;
constexpr int32_t kNsPerSecond = 1'000'000'000;

struct Unit {
  std::string_view name;
  int64_t ms;
};
constexpr std::array<Unit, 5> kUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", kMsPerSecond}, {"ms", 1}}};

}  // namespace

std::optional<int64_t> CheckDuration(const google::protobuf::Duration& value, DurationRange range,
                                     std::string_view key, ConfigErrors& errors) {
  const bool whole =
      value.nanos() >= 0 && value.nanos() < kNsPerSecond && value.nanos() % kNsPerMs == 0;
  // Divides the range rather than multiplies the value, which may be any.
  const bool small = value.seconds() >= 0 && value.seconds() <= range.high_ms / kMsPerSecond;
  if (whole && small) {
    const int64_t ms = value.seconds() * kMsPerSecond + value.nanos() / kNsPerMs;
    if (ms >= range.low_ms && ms <= range.high_ms) return ms;
  }
  errors.AddLimit(
      key,
      "whole milliseconds in " + FormatDurationMs(range.low_ms) + " .. " +
          FormatDurationMs(range.high_ms),
      std::to_string(value.seconds()) + " seconds and " + std::to_string(value.nanos()) + " nanos");
  return std::nullopt;
}

google::protobuf::Duration ToDuration(int64_t ms) {
  google::protobuf::Duration duration;
  duration.set_seconds(ms / kMsPerSecond);
  duration.set_nanos(static_cast<int32_t>(ms % kMsPerSecond) * kNsPerMs);
  return duration;
}

std::optional<int64_t> ParseDurationMs(std::string_view text) {
  constexpr int64_t kMaxMs = int64_t{1} << 53;
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view name(stop, static_cast<std::size_t>(end - stop));
  for (const Unit& unit : kUnits) {
    if (name == unit.name && number >= 0 && number <= kMaxMs / unit.ms) return number * unit.ms;
  }
  return std::nullopt;
}

std::string FormatDurationMs(int64_t ms) {
  for (const Unit& unit : kUnits) {
    if (ms != 0 && ms % unit.ms == 0) return std::to_string(ms / unit.ms) + std::string(unit.name);
  }
  return "0s";
}

}  // namespace objpool::server
