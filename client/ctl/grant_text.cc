#include "client/ctl/grant_text.h"

#include "client/duration.h"
#include "client/text.h"

namespace objpool::client {

std::string ValueText(const v1::Grant& grant) {
  switch (grant.value_case()) {
    case v1::Grant::kId:
      return std::to_string(grant.id());
    case v1::Grant::kLabel:
      return Printable(grant.label());
    case v1::Grant::kBuffer:
      return "buffer " + std::to_string(grant.buffer().size_bytes()) + " bytes on node " +
             std::to_string(grant.buffer().numa_node());
    case v1::Grant::VALUE_NOT_SET:
      break;
  }
  return "handle " + std::to_string(grant.ref().handle());
}

void ValueFields(const v1::Grant& grant, JsonWriter& json) {
  switch (grant.value_case()) {
    case v1::Grant::kId:
      json.Field("id", grant.id());
      break;
    case v1::Grant::kLabel:
      json.Field("label", grant.label());
      break;
    case v1::Grant::kBuffer:
      json.BeginObject("buffer");
      json.Field("size_bytes", grant.buffer().size_bytes());
      json.Field("numa_node", grant.buffer().numa_node());
      json.EndObject();
      break;
    case v1::Grant::VALUE_NOT_SET:
      break;
  }
}

void GrantFields(const v1::Grant& grant, JsonWriter& json) {
  ValueFields(grant, json);
  json.Field("handle", grant.ref().handle());
  json.Field("fence", std::to_string(grant.ref().fence()));
  json.Field("holder", grant.holder());
  json.Field("held_ms", DurationOf(grant.held()).count());
  json.Field("remaining_ms", DurationOf(grant.remaining()).count());
  json.Field("expire_time", FormatTimestamp(grant.expire_time()));
}

}  // namespace objpool::client
