#include "tests/bench/rpc/options.h"

#include <charconv>
#include <cstddef>
#include <sstream>
#include <string_view>

namespace objpool::bench {
namespace {

constexpr uint32_t kMaxRounds = 1000;
constexpr double kMinSeconds = 0.01;
constexpr double kMaxSeconds = 60;

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<uint32_t> ParseCpus(const std::string& text) {
  std::vector<uint32_t> cpus;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const auto cpu = ParseNumber<uint32_t>(word);
    if (!cpu.has_value()) return {};
    cpus.push_back(*cpu);
  }
  return cpus;
}

// What is wrong with an option; nothing where it was taken.
std::string Take(const std::string& name, const std::string& value, Options& options) {
  if (name == "--rounds") {
    options.rounds = ParseNumber<uint32_t>(value).value_or(0);
    if (options.rounds >= 1 && options.rounds <= kMaxRounds) return {};
    return "--rounds must be 1 .. " + std::to_string(kMaxRounds) + ", got " + value;
  }
  if (name == "--seconds") {
    const double seconds = ParseNumber<double>(value).value_or(0);
    options.time = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
    if (seconds >= kMinSeconds && seconds <= kMaxSeconds) return {};
    return "--seconds must be 0.01 .. 60, got " + value;
  }
  if (name == "--cpus") {
    options.cpus = ParseCpus(value);
    if (options.cpus.size() == 2) return {};
    return "--cpus must be two numbers, SERVER,LOAD; got " + value;
  }
  if (name == "--filter") {
    options.filter = value;
    return {};
  }
  if (name == "--json") {
    options.json = value;
    return {};
  }
  return name + ": no such option";
}

}  // namespace

std::optional<Options> ParseOptions(const std::vector<std::string>& arguments, std::string& why) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--spin") {
      options.spin = true;
      continue;
    }
    if (i + 1 == arguments.size()) {
      why = arguments[i] + ": no such option, or its value is missing";
      return std::nullopt;
    }
    why = Take(arguments[i], arguments[i + 1], options);
    ++i;
    if (!why.empty()) return std::nullopt;
  }
  return options;
}

}  // namespace objpool::bench
