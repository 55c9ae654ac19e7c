#include "tests/bench/pool/options.h"

#include <charconv>
#include <cstddef>
#include <sstream>
#include <string_view>

namespace objpool::bench {
namespace {

constexpr uint32_t kMaxRounds = 1000;

std::optional<uint32_t> ParseNumber(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<uint32_t> ParseCpus(const std::string& text) {
  std::vector<uint32_t> cpus;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const auto cpu = ParseNumber(word);
    if (!cpu.has_value()) return {};
    cpus.push_back(*cpu);
  }
  return cpus;
}

}  // namespace

std::optional<Options> ParseOptions(const std::vector<std::string>& arguments, std::string& why) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    if (name == "--scaling") {
      options.scaling = true;
      continue;
    }
    if (i + 1 == arguments.size()) {
      why = name + ": no such option, or its value is missing";
      return std::nullopt;
    }
    const std::string& value = arguments[++i];
    if (name == "--rounds") {
      const auto rounds = ParseNumber(value);
      options.rounds = rounds.value_or(0);
      if (options.rounds >= 1 && options.rounds <= kMaxRounds) continue;
      why = "--rounds must be 1 .. " + std::to_string(kMaxRounds) + ", got " + value;
    } else if (name == "--filter") {
      options.filter = value;
      continue;
    } else if (name == "--json") {
      options.json = value;
      continue;
    } else if (name == "--cpus") {
      options.cpus = ParseCpus(value);
      if (options.cpus.size() == 2) continue;
      why = "--cpus must be two numbers, A,B; got " + value;
    } else {
      why = name + ": no such option";
    }
    return std::nullopt;
  }
  return options;
}

}  // namespace objpool::bench
