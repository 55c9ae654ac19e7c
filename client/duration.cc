#include "client/duration.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "client/text.h"

namespace objpool::client {
namespace {

struct Unit {
  std::string_view name;
  int64_t ms;
};
// From the largest: FormatDuration takes the first that divides.
constexpr std::array<Unit, 5> kUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

}  // namespace

std::optional<Milliseconds> ParseDuration(std::string_view text, Milliseconds least,
                                          Milliseconds most, std::string& why) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const std::string_view suffix(stop, static_cast<std::size_t>(end - stop));
  for (const Unit& unit : kUnits) {
    if (error != std::errc() || suffix != unit.name) continue;
    if (number >= 0 && number <= most.count() / unit.ms && number * unit.ms >= least.count()) {
      return Milliseconds(number * unit.ms);
    }
    why = "must be from " + FormatDuration(least) + " to " + FormatDuration(most) + "; got " +
          Printable(text, 40);
    return std::nullopt;
  }
  why = "must be a whole number with a unit (ms, s, m, h or d), as in 500ms or 30s; got \"" +
        Printable(text, 40) + '"';
  return std::nullopt;
}

std::string FormatDuration(Milliseconds time) {
  for (const Unit& unit : kUnits) {
    if (time.count() != 0 && time.count() % unit.ms == 0) {
      return std::to_string(time.count() / unit.ms).append(unit.name);
    }
  }
  return "0ms";
}

Milliseconds Coarse(Milliseconds time) {
  for (const Unit& unit : kUnits) {
    if (time.count() >= 10 * unit.ms) return time - Milliseconds(time.count() % unit.ms);
  }
  return time;
}

Milliseconds DurationOf(const google::protobuf::Duration& time) {
  // What no server should send must not overflow here.
  constexpr int64_t kMaxSeconds = int64_t{1} << 40;
  return Milliseconds(std::clamp(time.seconds(), -kMaxSeconds, kMaxSeconds) * 1000 +
                      time.nanos() / 1'000'000);
}

google::protobuf::Duration ProtoDuration(Milliseconds time) {
  return google::protobuf::util::TimeUtil::MillisecondsToDuration(time.count());
}

std::string FormatTimestamp(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return {};
  return google::protobuf::util::TimeUtil::ToString(time);
}

}  // namespace objpool::client
