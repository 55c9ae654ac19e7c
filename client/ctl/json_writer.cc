#include "client/ctl/json_writer.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <array>
#include <charconv>
#include <ostream>
#include <string>

namespace objpool::client {
namespace {

std::string Quote(std::string_view text) {
  google::protobuf::Value value;
  value.set_string_value(std::string(text));
  std::string quoted;
  // Text that is not UTF-8 has no place in JSON.
  if (!google::protobuf::util::MessageToJsonString(value, &quoted).ok()) return "\"\"";
  return quoted;
}

}  // namespace

void JsonWriter::Field(std::string_view key, std::string_view text) { Raw(key, Quote(text)); }

void JsonWriter::Field(std::string_view key, double number) {
  std::array<char, 400> digits;  // the largest double has 309 before the point
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number,
                                          std::chars_format::fixed, 3);
  Raw(key, std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

void JsonWriter::Begin(std::string_view key, char bracket) {
  Next(key);
  out_ << bracket;
  filled_.push_back(false);
}

void JsonWriter::End(char bracket) {
  const bool filled = filled_.back();
  filled_.pop_back();
  if (filled) NewLine();
  out_ << bracket;
  if (filled_.empty()) out_ << '\n';
}

void JsonWriter::Next(std::string_view key) {
  if (filled_.empty()) return;
  if (filled_.back()) out_ << (layout_ == Layout::kOneLine ? ", " : ",");
  NewLine();
  filled_.back() = true;
  if (!key.empty()) out_ << Quote(key) << ": ";
}

void JsonWriter::NewLine() {
  if (layout_ == Layout::kIndented) out_ << '\n' << std::string(2 * filled_.size(), ' ');
}

void JsonWriter::Raw(std::string_view key, std::string_view value) {
  Next(key);
  out_ << value;
}

void JsonWriter::Integer(std::string_view key, uint64_t number) {
  Raw(key, std::to_string(number));
}
void JsonWriter::Integer(std::string_view key, int64_t number) { Raw(key, std::to_string(number)); }

}  // namespace objpool::client
