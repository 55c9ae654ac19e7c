// Configurations, as text format and as JSON: one is accepted, or every mistake is a line; and what
// is accepted is the same when it is printed and read again.
#include <optional>
#include <string>
#include <string_view>

#include "pool/base/check.h"
#include "server/config/file.h"
#include "tests/fuzz/input.h"

namespace objpool::fuzz {
namespace {

using server::Config;
using server::ConfigErrors;
using server::ConfigSyntax;

void Read(std::string_view text, ConfigSyntax syntax) {
  ConfigErrors errors;
  const std::optional<Config> config = server::ParseConfig(text, syntax, "FILE", {}, errors);
  OBJPOOL_CHECK(config.has_value() == errors.empty(), "it is accepted, or something is wrong");
  OBJPOOL_CHECK(errors.Lines().size() <= ConfigErrors::kMaxLines + 1, "lines are few");
  for (const std::string& line : errors.Lines()) {
    OBJPOOL_CHECK(line.size() <= ConfigErrors::kMaxLineBytes, "lines are short");
    OBJPOOL_CHECK(line.find_first_of("\n\r\x1b") == std::string::npos, "a line is a line");
  }
  if (!config) return;
  ConfigErrors none;
  const std::string printed = server::PrintConfig(*config);
  const auto again = server::ParseConfig(printed, ConfigSyntax::kText, "FILE", {}, none);
  OBJPOOL_CHECK(again && *again == *config, "what is printed reads as it was");
}

}  // namespace
}  // namespace objpool::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t count) {
  using namespace objpool::fuzz;
  Input input(bytes, count);
  // JSON begins with a brace, which text format cannot.
  const std::string_view text = input.Rest();
  const auto first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string_view::npos && text[first] == '{';
  Read(text, json ? ConfigSyntax::kJson : ConfigSyntax::kText);
  return 0;
}
