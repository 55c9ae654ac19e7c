#include "server/config/json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace objpool::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

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

}  // namespace

bool ParseConfigJson(std::string_view text, std::string_view name,
                     config::v1::ServerConfig& message, ConfigErrors& errors) {
  constexpr const char* kTypePrefix = "type.googleapis.com";
  const Descriptor& schema = *config::v1::ServerConfig::descriptor();
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

}  // namespace objpool::server
