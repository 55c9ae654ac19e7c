// JsonWriter: writes one JSON document, indented or on one line, with fields in the order in which
// they are given.
//
// protobuf's own printer sorts a Struct by hash and rounds 64-bit numbers to doubles; here integers
// are exact and only the quoting of strings is protobuf's. The caller keeps the nesting right.
#pragma once

#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <string_view>
#include <vector>

namespace objpool::client {

class JsonWriter {
 public:
  // Of one line each are documents of which many come in a row.
  enum class Layout : uint8_t { kIndented, kOneLine };

  // `out` must outlive the writer.
  explicit JsonWriter(std::ostream& out, Layout layout = Layout::kIndented)
      : out_(out), layout_(layout) {}

  // An object or array, as the document, as an array's element, or as the field `key`.
  void BeginObject(std::string_view key = {}) { Begin(key, '{'); }
  void EndObject() { End('}'); }
  void BeginArray(std::string_view key = {}) { Begin(key, '['); }
  void EndArray() { End(']'); }

  void Field(std::string_view key, std::string_view text);
  void Field(std::string_view key, const char* text) { Field(key, std::string_view(text)); }
  // With three decimals.
  void Field(std::string_view key, double number);
  template <std::same_as<bool> Bool>
  void Field(std::string_view key, Bool truth) {
    Raw(key, truth ? "true" : "false");
  }
  template <std::unsigned_integral Number>
  requires(!std::same_as<Number, bool>) void Field(std::string_view key, Number number) {
    Integer(key, uint64_t{number});
  }
  template <std::signed_integral Number>
  void Field(std::string_view key, Number number) {
    Integer(key, int64_t{number});
  }
  void Null(std::string_view key) { Raw(key, "null"); }

 private:
  void Begin(std::string_view key, char bracket);
  void End(char bracket);
  // What comes before a value: comma, line, indent, key.
  void Next(std::string_view key);
  void Raw(std::string_view key, std::string_view value);
  void NewLine();
  void Integer(std::string_view key, uint64_t number);
  void Integer(std::string_view key, int64_t number);

  std::ostream& out_;
  const Layout layout_;
  std::vector<bool> filled_;  // for each open bracket: something stands in it
};

}  // namespace objpool::client
