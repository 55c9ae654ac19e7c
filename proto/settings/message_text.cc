#include "proto/settings/message_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <map>
#include <memory>
#include <system_error>

namespace objpool::settings {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// Nothing in the schemas lies deeper than pools, kind, duration; the rest is for unknown keys.
constexpr int kMaxNesting = 16;

// Turns what the text parser says into lines of "FILE:LINE:COLUMN: message".
class TextErrors final : public google::protobuf::io::ErrorCollector {
 public:
  TextErrors(std::string_view name, ConfigErrors& errors) : name_(name), errors_(errors) {}

  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    // Counted from 0 there, and from 1 in every editor. A whole file has line -1.
    errors_.Add(name_ + ":" + std::to_string(line + 1) + ":" + std::to_string(column + 1), message);
  }
  // The parser only warns of a key that it does not know, so that it finds the next one too.
  void AddWarning(int line, google::protobuf::io::ColumnNumber column,
                  const std::string& message) override {
    AddError(line, column, message);
  }

 private:
  const std::string name_;
  ConfigErrors& errors_;
};

bool ParseText(std::string_view text, std::string_view name, google::protobuf::Message& message,
               ConfigErrors& errors) {
  TextErrors collector(name, errors);
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&collector);
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kMaxNesting);
  return parser.ParseFromString(std::string(text), &message);
}

// A syntax error has three lines: what, an excerpt, and a caret beneath it.
std::string Explain(const std::string& message) {
  const std::size_t end = message.find('\n');
  if (end == std::string::npos) return message;
  const std::string excerpt = message.substr(end + 1, message.find('\n', end + 1) - end - 1);
  return message.substr(0, end) + " Near: " + Quoted(excerpt);
}

// Finds keys that are given twice, in the wire format, where both still are. The schema ends the
// recursion.
void CheckRepeats(const std::string& wire, const Descriptor& schema, const std::string& path,
                  ConfigErrors& errors) {
  UnknownFieldSet fields;
  if (!fields.ParseFromString(wire)) return;  // never: it was just written
  std::map<int, int> seen;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    const FieldDescriptor* const key = schema.FindFieldByNumber(field.number());
    if (key == nullptr) continue;
    const int earlier = seen[field.number()]++;
    std::string key_path = path + (path.empty() ? "" : ".") + key->name();
    if (key->is_repeated()) key_path += "[" + std::to_string(earlier) + "]";
    if (!key->is_repeated() && earlier == 1) {
      errors.Add(key_path, "must be given once, but is more often");
    }
    if (key->type() == FieldDescriptor::TYPE_MESSAGE) {
      CheckRepeats(field.length_delimited(), *key->message_type(), key_path, errors);
    }
  }
}

bool ParseJson(std::string_view text, std::string_view name, google::protobuf::Message& message,
               ConfigErrors& errors) {
  constexpr const char* kTypePrefix = "type.googleapis.com";
  const Descriptor& schema = *message.GetDescriptor();
  const std::unique_ptr<google::protobuf::util::TypeResolver> types(
      google::protobuf::util::NewTypeResolverForDescriptorPool(kTypePrefix, schema.file()->pool()));
  std::string wire;
  const google::protobuf::util::Status status = google::protobuf::util::JsonToBinaryString(
      types.get(), kTypePrefix + ("/" + schema.full_name()),
      google::protobuf::StringPiece(text.data(), text.size()), &wire);
  if (!status.ok()) {
    errors.Add(name, Explain(status.ToString()));
    return false;
  }
  CheckRepeats(wire, schema, "", errors);
  if (message.ParseFromString(wire)) return true;
  errors.Add(name, "must be UTF-8, but is not");
  return false;
}

}  // namespace

Syntax SyntaxOf(std::string_view path) {
  return path.ends_with(".json") ? Syntax::kJson : Syntax::kText;
}

std::optional<std::string> ReadTextFile(const std::string& path, std::size_t max_bytes,
                                        ConfigErrors& errors) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::array<char, 1 << 16> chunk;
  while (file && text.size() <= max_bytes) {
    file.read(chunk.data(), chunk.size());
    text.append(chunk.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad()) {
    errors.Add(path, "cannot be read: " + std::generic_category().message(errno));
    return std::nullopt;
  }
  if (text.size() > max_bytes) {
    errors.AddLimit(path, "at most " + std::to_string(max_bytes) + " bytes", "longer");
    return std::nullopt;
  }
  return text;
}

bool ParseMessage(std::string_view text, Syntax syntax, std::string_view name,
                  google::protobuf::Message& message, ConfigErrors& errors) {
  return syntax == Syntax::kJson ? ParseJson(text, name, message, errors)
                                 : ParseText(text, name, message, errors);
}

}  // namespace objpool::settings
